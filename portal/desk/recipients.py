"""The patron whom staff name in the field “For” of the form that records a help session.

If the patron has an account, staff read the consent aloud, and the visit goes into the account. If an email
address belongs to no account, it gets an email with a code, as on the page of the slip.
"""

from dataclasses import dataclass

from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.ils.configured import library_ils
from accounts.models import AuditEvent, Library, User
from portal import keys, limits
from portal.desk.access_log import log_looked_up
from portal.desk.people import find
from portal.desk.people.namesakes import words_if_namesake
from portal.desk.people.record_page import consent
from portal.helpsessions.models import HelpSession


@dataclass(frozen=True)
class Recipient:
    """The patron who gets the visit.

    If `person` is None, the visit goes to the email address `address`, which no account has confirmed. If
    not, staff read `sentences` to the person, in `language`. `part` is "child" or "adult" if the two can
    share the visit. `may_be_an_adult` is true if only a child may keep the visit, and the person's record
    doesn't say that the person is a child.
    """

    person: User | None = None
    address: str = ""
    sentences: tuple = ()
    language: str = ""
    part: str = ""
    may_be_an_adult: bool = False

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

        The form posts it again. So nobody can record a consent to words that the page didn't show.
        """
        shown = f"{self.person.public_id}\n{self.wording}" if self.person else self.address
        return keys.fingerprint("shown about a recipient", shown)

    @property
    def saved_notice(self):
        """Return the notice for staff after the visit was recorded."""
        if self.person is None:
            return _("We're sending the link to %(address)s.") % {"address": self.address}
        words = _("The visit is now in the account of %(name)s.")
        if self.part == "child":
            words = _("The visit is now in the account of %(name)s, the child.")
        elif self.part == "adult":
            words = _("The visit is now in the account of %(name)s, the adult.")
        return words % {"name": self.person.display_name}

    def may_be_emailed(self, request, form):
        """Count an email to this address. If the limit is reached, add an error to the form and return False.

        Return True for a person with an account, because they get no email.
        """
        return self.person is not None or limits.counted(
            request, form, "for_whom", "hand_over_by_mail", target=self.address
        )

    def check_shown(self, form):
        """Add an error if the page hasn't shown this patron yet, or if the patron hasn't agreed."""
        was_shown = form.was_shown == self.fingerprint
        if not was_shown:
            # The patron hasn't agreed to the words that the page shows now.
            form.data = form.data.copy()
            form.data.pop("agreed", None)
        if self.person is None and not was_shown:
            words = _("Check this address with the patron, then save again. It will get an email.")
            form.add_error("for_whom", words)
        elif self.person and not (was_shown and form.has_agreed):
            words = _(
                "Read the text to the patron. If they agree, check this box and save again. If not, empty "
                "the field “For”."
            )
            form.add_error("agreed", words)


def checked_recipient(request, form):
    """Return the Recipient whom a posted form names, or None.

    Add an error to the form if nobody is found, or if the form can't be saved for this patron yet.
    """
    form.is_valid()
    if form["conversation"].value():
        return None
    recipient = find_recipient(request, form)
    if recipient is None:
        return None
    recipient.check_shown(form)
    if recipient.person is None and request.POST.get("action") == "save_only":
        words = _(
            "This address has no account, so only a code can open the visit. Choose “Save and give to the "
            "patron”."
        )
        form.add_error("for_whom", words)
    return recipient


def find_recipient(request, form):
    """Return the Recipient whom a checked form names, or None. Add an error to the form if nobody is found.

    Only a whole card number or a confirmed email address finds a person. Each search counts toward a limit,
    and the access log of the person has it. If the staff member found the person today already, the search
    is neither counted nor logged again.
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
    if not _can_sign_in(person):
        words = _(
            "This patron can't sign in, so they couldn't open the visit in their account. Leave this field "
            "empty and give them a code."
        )
        form.add_error("for_whom", words)
        return None
    visit = HelpSession(with_child=form.cleaned_data.get("with_child", ""))
    sentences, language = consent(request, person, visit, is_new=True)
    return Recipient(
        person=person,
        sentences=tuple(sentences),
        language=language,
        part=("child" if person.is_child else "adult") if visit.is_shared else "",
        may_be_an_adult=visit.with_child == Library.Children.OWN and not person.is_child,
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
