"""The consent to push messages on a person's own phone, with the sentence that the person agrees to."""

from django.utils.translation import gettext as _

from ..models import Consent


def sentence():
    """Return the sentence that people read before they turn messages on."""
    return _(
        "Apple, Google, Mozilla or Microsoft will learn that this device gets messages from the library, "
        "but not what the messages say. Others may see your screen."
    )


def button():
    return _("Get messages on this phone")


def record(person, *, language, at):
    """Store the person's consent, with the sentence and the button's label in the current language."""
    Consent.objects.create(
        person=person,
        purpose=Consent.Purpose.PUSH,
        subject=person.public_id,
        wording=f"{sentence()}\n{button()}",
        language=language,
        given_at=at,
    )


def take_back(person):
    """Delete the person's consent to push messages."""
    person.consents.filter(purpose=Consent.Purpose.PUSH).delete()
