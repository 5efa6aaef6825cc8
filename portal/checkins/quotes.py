"""Let patrons share a short text about a visit with the staff member who helped them.

The page calls the text *words*. The patron's consent is stored with it.
"""

from django.db import transaction
from django.utils.translation import gettext as _

from accounts import audit
from accounts.models import Consent
from portal.helpsessions.models import HelpSession

from .models import SharedWords

MAX_LENGTH = 500
QUOTE = Consent.Purpose.QUOTE


class NotShared(Exception):
    """The person may not share a text about this visit. See HelpSession.may_share_words."""


def wording(help_session):
    """Return the text that a patron agrees to when sharing words about a visit, in the current language."""
    return _(
        "Only %(name)s may read these words. My name isn't shown. I can take the words back at any time."
    ) % {"name": help_session.staff.display_name}


@transaction.atomic
def share_words(help_session, *, person, words, wording, language, at):
    """Share the text `words` with the staff member who helped, and save the consent. Raises NotShared.

    If the person has shared a text about this visit already, the new text replaces it. `wording` is the text
    of the consent, in `language`.
    """
    help_session = _lock(help_session)
    if help_session is None or not help_session.may_share_words(person):
        raise NotShared
    SharedWords.objects.update_or_create(
        help_session=help_session, defaults={"words": words, "shared_at": at}
    )
    consent = Consent.objects.filter(person=person, purpose=QUOTE, subject=help_session.public_id)
    if not consent.update(wording=wording, language=language, given_at=at):
        Consent.objects.create(
            person=person,
            purpose=QUOTE,
            subject=help_session.public_id,
            wording=wording,
            language=language,
            given_at=at,
        )
    audit.record("shared_words", help_session, by=person, patron=person, at=at)


@transaction.atomic
def take_back_words(help_session, *, person, at):
    """Delete the shared text and the consent. Do nothing if the visit is not in the person's account."""
    help_session = _lock(help_session)
    if help_session is None or help_session.patron_id != person.pk:
        return
    deleted, _by_model = SharedWords.objects.filter(help_session=help_session).delete()
    Consent.objects.filter(person=person, purpose=QUOTE, subject=help_session.public_id).delete()
    if deleted:
        audit.record("took_back_words", help_session, by=person, patron=person, at=at)


def shared_with(helper):
    """Return the SharedWords of all patrons who share a text with this staff member, latest first."""
    shared = SharedWords.objects.filter(
        help_session__staff=helper,
        help_session__patron__is_active=True,
        help_session__patron__child_since=None,
        help_session__quiet=False,
        help_session__with_child="",
    )
    return shared.order_by("-shared_at", "-pk")


def _lock(help_session):
    return HelpSession.objects.recorded().select_for_update(no_key=True).filter(pk=help_session.pk).first()
