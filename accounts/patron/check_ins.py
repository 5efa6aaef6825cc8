"""Let people choose whether the library may ask them later how visits turned out.

Staff can also turn check-ins off for a patron. Each choice, even "don't ask", is stored as a consent with the
exact text that the person read. The text names no visit, item, day or staff member. After "don't ask", only
the person can choose something else.
"""

from django.conf import settings
from django.db import transaction
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import override

from .. import audit
from ..models import Consent, Library, User
from ..staff_actions import lock_roles, staff_action

CheckIns = User.CheckIns


class OnlyThePatron(Exception):
    """The patron has made an earlier choice, and only the patron can change it."""


class NotOffered(Exception):
    """The library doesn't offer this choice to this person."""


def choices_for(person, library, *, aloud=False):
    """Return the choices that the library offers, as (value, label).

    `person` is None if nobody is signed in. A child is offered email if the library emails children and the
    child has entered an address. `aloud` is true for the labels that staff read aloud at the desk. If the
    person has already chosen “on this phone”, the desk offers this choice too. Otherwise the desk doesn't
    offer it, because only the phone itself can turn on push messages.
    """
    by_email, by_push = offers_email(person, library), offers_push(person, library)
    if aloud:
        by_push = person is not None and person.check_ins == CheckIns.PUSH
    left_out = {CheckIns.EMAIL: not by_email, CheckIns.PUSH: not by_push}
    return [(choice.value, _label(choice, aloud)) for choice in CheckIns if not left_out.get(choice)]


def offers_email(person, library):
    """Return whether "by email" is one of the choices. `person` is None if nobody is signed in."""
    return person is None or not person.is_child or bool(library.check_ins_of_children and person.email)


def offers_push(person, library):
    """Return whether "by message on this phone" is one of the choices.

    `person` is None if nobody is signed in. The page shows this choice only in a browser that can get
    messages from the library.
    """
    if not settings.PUSH_PRIVATE_KEY:
        return False
    return person is None or not person.is_child or library.check_ins_of_children


def is_asked(person, library):
    """Return whether to ask for a choice about check-ins: this person may be asked and has not chosen yet."""
    return not person.check_ins and may_be_asked(person, library)


def may_be_asked(person, library):
    """Return whether the library may ask this person for a choice about check-ins.

    If the library doesn't email children, a child is not asked. The child can still choose on the page "Me".
    A patron who has died is not asked.
    """
    if person.died_at:
        return False
    return library.check_ins and (not person.is_child or library.check_ins_of_children)


def sentences(*, by_email=True, by_push=False, aloud=False):
    """Return the sentences that a person reads before they make a choice about check-ins.

    `by_email` is what `offers_email` returns, and `by_push` is what `offers_push` returns. `aloud` is true
    for the text that staff read aloud, which never offers messages on a phone.
    """
    asked = [_("May the library ask you later how things turned out?")]
    if by_push and not aloud:
        asked.append(_("We ask a few days after a visit. The message doesn't say what the visit was about."))
    elif by_email:
        asked.append(
            _("We send these emails a few days after a visit. They don't say what the visit was about.")
        )
    asked.append(_("You can change your answer at any time under “Me”."))
    if aloud and by_email:
        asked.append(_("Shall we ask by email, only on the library's web pages, or not at all?"))
    elif aloud:
        asked.append(_("Shall we ask only on the library's web pages, or not at all?"))
    return asked


def sentences_for(person, library):
    """Return the `sentences` that this person reads on a page. `person` is None if nobody is signed in."""
    return sentences(by_email=offers_email(person, library), by_push=offers_push(person, library))


def wording(choice, *, by_email=True, by_push=False, aloud=False):
    """Return the text of the consent to this choice about check-ins, in the current language.

    The text has the sentences that the person has read, and the label of the choice. The other arguments are
    those of `sentences`.
    """
    words = sentences(by_email=by_email, by_push=by_push, aloud=aloud)
    return "\n".join([*words, capfirst(str(_label(CheckIns(choice), aloud)))])


def wording_for(choice, person, library):
    """Return the text of the consent to this choice about check-ins, as the person reads it on a page.

    `person` is None if nobody is signed in.
    """
    by_email, by_push = offers_email(person, library), offers_push(person, library)
    return wording(choice, by_email=by_email, by_push=by_push)


def _label(choice, aloud):
    return _("by message on the patron's phone") if aloud and choice == CheckIns.PUSH else choice.label


def text_to_read(person, library):
    """Return (the sentences that staff read to this person, the language of the sentences)."""
    language = language_of(person)
    with override(language):
        return sentences(by_email=offers_email(person, library), aloud=True), language


def titles_wording(allowed):
    """Return the text of the consent that allows or forbids titles in emails, in the current language."""
    if allowed:
        return _("Anyone who opens the link in my email can see the titles.")
    return _("The emails don't show titles, and neither do the pages that their links open.")


def stop_sentence():
    """Return the sentence above the button that turns check-ins off.

    Each check-in email has a link to the page with this button.
    """
    return _(
        "The library won't ask you anymore how your visits turned out, neither by email nor on its pages."
    )


def stop_button(*, only_check_ins):
    """Return the label of the button below `stop_sentence()`.

    `only_check_ins` is true if the button turns off only check-ins. It is false if the button also turns off
    other emails.
    """
    return _("Stop asking me") if only_check_ins else _("Turn off these emails")


def stop_wording(language):
    """Return the text that is saved as the patron's choice if staff turn check-ins off for the patron."""
    with override(language):
        return _(
            "I asked staff to stop asking me how things turned out. Only I can allow it again, under “Me”."
        )


@transaction.atomic
def choose(person, choice, *, wording, language, at, read_by=None, only_first=False):
    """Save the person's choice and a consent. `wording` is the text that the person agreed to.

    `read_by` is the staff member who read the text aloud, or None. Raises NotOffered if the library doesn't
    offer this choice. Raises OnlyThePatron if staff want to change the person's earlier choice "don't ask".
    If `only_first` is true, any earlier choice of the person raises OnlyThePatron.
    """
    if read_by:
        lock_roles(read_by)
    person = _lock(person)
    if choice not in dict(choices_for(person, Library.current(), aloud=read_by is not None)):
        raise NotOffered
    if read_by and person.check_ins == CheckIns.NONE != choice or only_first and person.check_ins:
        raise OnlyThePatron
    if person.check_ins != choice:
        _save(person, choice, wording=wording, language=language, at=at, read_by=read_by)
        audit.record("chose_check_ins", person, by=read_by or person, patron=person, at=at)
    return person


@transaction.atomic
def undo_first_choice(person, *, at):
    """Remove the person's first choice and its consent, so that the person has made no choice."""
    person = _lock(person)
    person.check_ins, person.check_in_titles = "", False
    person.save(update_fields=["check_ins", "check_in_titles"])
    person.consents.filter(purpose=Consent.Purpose.CHECK_INS).delete()
    audit.record("undid_check_ins", person, by=person, patron=person, at=at)
    return person


@transaction.atomic
def allow_titles(person, allowed, *, wording, language, at):
    """Save whether check-in emails, and the pages they link to, may show titles. Also save a consent."""
    person = _lock(person)
    if person.check_in_titles != allowed:
        person.check_in_titles = allowed
        person.save(update_fields=["check_in_titles"])
        _consent(person, Consent.Purpose.CHECK_IN_TITLES, wording=wording, language=language, at=at)
        audit.record("chose_check_in_titles", person, by=person, patron=person, at=at)
    return person


@staff_action
def record_answer(person, choice, *, by, at, only_first=False):
    """Save the choice that a patron made at the desk. The staff member `by` has read the question aloud.

    `choose` explains `only_first` and the exceptions OnlyThePatron and NotOffered.
    """
    language = language_of(person)
    with override(language):
        words = wording(choice, by_email=offers_email(person, Library.current()), aloud=True)
    return choose(person, choice, wording=words, language=language, at=at, read_by=by, only_first=only_first)


@staff_action
def stop(person, *, by, at):
    """Turn check-ins off for a patron who asks for this at the desk."""
    person = _lock(person)
    if person.check_ins != CheckIns.NONE:
        language = language_of(person)
        words = stop_wording(language)
        _save(person, CheckIns.NONE, wording=words, language=language, at=at, read_by=by)
        audit.record("stopped_check_ins", person, by=by, patron=person, at=at)
    return person


@staff_action
def note_death(person, *, by, at):
    """Record that the patron has died. From then on, the library sends them no notices."""
    return _save_death(person, at, "noted_death", by=by, at=at)


@staff_action
def undo_death(person, *, by, at):
    """Undo `note_death`, because the patron has not died."""
    return _save_death(person, None, "undid_death", by=by, at=at)


def more_private(one, other):
    """Return the more private of two people's choices: the one that allows the library less.

    If only one of the two people has chosen, return this person's choice. If neither has, return "".
    """
    most_private_first = (CheckIns.NONE, CheckIns.PAGES, CheckIns.PUSH, CheckIns.EMAIL)
    return next((choice.value for choice in most_private_first if choice in (one, other)), "")


def language_of(person):
    """Return the language of emails to this person, and of what staff read aloud to them."""
    return person.language if person.language in dict(settings.LANGUAGES) else settings.LANGUAGE_CODE


def _lock(person):
    return User.objects.select_for_update(no_key=True).get(pk=person.pk)


def _save(person, choice, **consent):
    person.check_ins = choice
    person.check_in_titles = person.check_in_titles and choice == CheckIns.EMAIL
    person.save(update_fields=["check_ins", "check_in_titles"])
    _consent(person, Consent.Purpose.CHECK_INS, **consent)


def _consent(person, purpose, *, wording, language, at, read_by=None):
    Consent.objects.create(
        person=person,
        purpose=purpose,
        subject=person.public_id,
        wording=wording,
        language=language,
        given_at=at,
        read_by=read_by,
    )


def _save_death(person, died_at, action, *, by, at):
    person = _lock(person)
    if bool(person.died_at) != bool(died_at):
        person.died_at = died_at
        person.save(update_fields=["died_at"])
        audit.record(action, person, by=by, patron=person, at=at)
    return person
