"""The patron that staff enter in the field “For” of the record form.

If the patron has an account, staff read the consent aloud, and the visit is saved in the account. If no
account has the email address that staff typed, the portal sends a code to this address.
"""

from dataclasses import dataclass

from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.ils.configured import library_ils
from accounts.models import AuditEvent, Library, User
from accounts.patron import check_ins
from portal import keys, limits
from portal.desk.access_log import log_looked_up
from portal.desk.people import find
from portal.desk.people.namesakes import words_if_namesake
from portal.desk.people.record_page import consent, missing_address
from portal.helpsessions.models import HelpSession


@dataclass(frozen=True)
class Recipient:
    """The patron who gets the visit.

    If `person` is None, a link to the visit is sent to `address`, an email address that no account has
    confirmed.

    Otherwise, staff read the `sentences` to the person. `language` is the language of these sentences. If a
    child and an adult can share the visit, `part` says which of them the person is: "child" or "adult".
    `may_be_an_adult` is true if only a child may keep the visit, but the person's record is not a child's
    record.
    """

    person: User | None = None
    address: str = ""
    sentences: tuple = ()
    language: str = ""
    part: str = ""
    may_be_an_adult: bool = False
    # Staff read this question aloud: may the library ask later how visits turned out? `answer` is the
    # patron's answer. Both are empty if staff don't ask this question.
    question: tuple = ()
    answer: str = ""
    # A sentence that says why the library can't ask this person by email yet, or "".
    missing_address: str = ""

    @property
    def wording(self):
        return "\n".join(self.sentences)

    @property
    def masked(self):
        return find.masked(self.person.email)

    @property
    def apart(self):
        return words_if_namesake(self.person)

    @property
    def fingerprint(self):
        """Return a fingerprint of what the page shows about this patron.

        The form posts this fingerprint. So staff can only record a consent to a text that the page has shown.
        """
        shown = (
            "\n".join([str(self.person.public_id), self.wording, *self.question])
            if self.person
            else self.address
        )
        return keys.fingerprint("shown about a recipient", shown)

    @property
    def saved_notice(self):
        """Return the message that says whose account the visit is in, or where its link is sent."""
        if self.person is None:
            return _("We're sending the link to %(address)s.") % {"address": self.address}
        words = _("The visit is now in the account of %(name)s.")
        if self.part == "child":
            words = _("The visit is now in the account of %(name)s, the child.")
        elif self.part == "adult":
            words = _("The visit is now in the account of %(name)s, the adult.")
        return words % {"name": self.person.display_name}

    def may_be_emailed(self, request, form):
        """Count the email to this address toward the limit, and return True.

        If the limit is reached, add an error to the form and return False. If the recipient has an account,
        no email is sent. Then return True and count nothing.
        """
        return self.person is not None or limits.counted(
            request, form, "for_whom", "hand_over_by_mail", target=self.address
        )

    def check_shown(self, form):
        """Add an error to the form if the page has not shown this patron yet.

        Also add an error if the patron has an account and has not agreed to the consent text.
        """
        was_shown = form.was_shown == self.fingerprint
        if not was_shown:
            # The page will now show a text for the first time. The patron can't have agreed to this text, so
            # clear the check boxes.
            form.data = form.data.copy()
            form.data.pop("agreed", None)
            form.data.pop("check_ins", None)
        if self.person is None and not was_shown:
            words = _("Check this address with the patron, then save again. We will email this address.")
            form.add_error("for_whom", words)
        elif self.person and not (was_shown and form.has_agreed):
            words = _(
                "Read the text to the patron. If they agree, check this box and save again. If they "
                "don't agree, clear the field “For”."
            )
            form.add_error("agreed", words)


def checked_recipient(request, form):
    """Return the Recipient that staff entered in a posted form, or None.

    Add an error to the form if nobody is found, or if the form can't be saved for this patron yet.
    """
    form.is_valid()
    if form["conversation"].value():
        return None
    recipient = find_recipient(request, form)
    if recipient is None:
        return None
    form.follow_language_of(recipient.person)
    recipient.check_shown(form)
    if recipient.person is None and request.POST.get("action") == "save_only":
        words = _(
            "This address has no account, so only a code can open the visit. Choose “Save and give to the "
            "patron”."
        )
        form.add_error("for_whom", words)
    return recipient


def find_recipient(request, form):
    """Return the Recipient that staff entered in a valid form, or None.

    Add an error to the form if nobody is found. Only a full card number or a confirmed email address finds a
    person. The search counts toward a limit, and the access log records the look-up. If the staff member has
    already found the person today, the search isn't counted or recorded again.
    """
    typed = form.for_whom
    if not typed:
        return None
    person = find.by_card_or_confirmed_email(typed)
    if person is None or person.pk not in find.found(request):
        if not limits.counted(request, form, "for_whom", "look_up"):
            return None
        if person is not None:
            log_looked_up(request, [person], at=timezone.now(), where=AuditEvent.Where.RECORD)
            find.remember(request, [person])
    if person is None:
        return _without_account(form, typed)
    if person.died_at:
        words = _("This patron has died. Check who you are helping, or leave this field empty.")
        form.add_error("for_whom", words)
        return None
    if not _can_sign_in(person):
        words = _(
            "This patron can't sign in, so they couldn't open the visit in their account. Leave this field "
            "empty and give them a code."
        )
        form.add_error("for_whom", words)
        return None
    visit = HelpSession(with_child=form.cleaned_data.get("with_child", ""))
    sentences, language = consent(request, person, visit, is_new=True)
    asks = check_ins.is_asked(person, request.library) and (person.is_child or not visit.with_child)
    form.fields["check_ins"].choices = [
        *check_ins.choices_for(person, request.library, aloud=True),
        ("", _("I didn't ask the patron")),
    ]
    return Recipient(
        person=person,
        sentences=tuple(sentences),
        language=language,
        part=("child" if person.is_child else "adult") if visit.is_shared else "",
        may_be_an_adult=visit.with_child == Library.Children.OWN and not person.is_child,
        question=tuple(check_ins.text_to_read(person, request.library)[0]) if asks else (),
        missing_address=missing_address(person, request.library) if asks else "",
        answer=form.check_ins if asks else "",
    )


def _can_sign_in(person):
    """Return whether a person with a library card or a confirmed email address can sign in today."""
    return (
        library_ils() is not None
        or person.emailaddress_set.filter(verified=True).exists()
        or person.passkeys.exists()
    )


def _without_account(form, typed):
    if "@" in typed:
        return Recipient(address=typed)
    words = _(
        "We found nobody with this card number. Check the number with the patron, or leave this field empty "
        "and give them a code."
    )
    form.add_error("for_whom", words)
    return None
