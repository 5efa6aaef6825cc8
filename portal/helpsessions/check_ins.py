"""Ask a patron "May the library ask you later how things turned out?", and save the answer.

A person's answer applies to all their visits. A viewer by code has no record, so the visit stores their
answer. The visit also stores whether the patron chose not to be asked about this visit. An answer stored in
the visit overrides the person's answer.
"""

from dataclasses import dataclass

from django.db import transaction

from accounts import audit
from accounts.patron import check_ins

from .models import HelpSession


@dataclass(frozen=True)
class Question:
    """The question "May the library ask you later?", as a page shows it.

    `visit` is the visit that the page asks about. A viewer by code must keep this visit before the library
    can write to them. People who have answered are not asked again.
    """

    sentences: list
    choices: list
    visit: HelpSession


def question_at_home(viewer, library, visits):
    """Return the Question for the home page, or None. `visits` are the visits that the page lists.

    No query runs for a signed-in person.
    """
    person = viewer.person
    asked = [row for row in visits if may_be_asked_about(row, person) and (person or not row.check_ins)]
    own = [row for row in asked if person and row.patron_id == person.pk]
    return _question(viewer, library, (own or asked)[0]) if asked else None


def question_about(help_session, viewer, library):
    """Return the Question that the visit's page shows, or None. For a signed-in person, no query runs."""
    if help_session.check_ins or not may_be_asked_about(help_session, viewer.person):
        return None
    return _question(viewer, library, help_session)


def _question(viewer, library, visit):
    person = viewer.person
    if not library.check_ins:
        return None
    if person is None and _said_no(viewer):
        return None
    if person is not None and not check_ins.is_asked(person, library):
        return None
    return Question(check_ins.sentences_for(person, library), check_ins.choices_for(person, library), visit)


def _said_no(viewer):
    """Return whether this viewer opened several visits by code and chose "don't ask" for one of them."""
    opened, no = viewer.opened_by_code, HelpSession.CheckIns.NONE
    return len(opened) > 1 and HelpSession.objects.filter(pk__in=opened, check_ins=no).exists()


def may_be_asked_about(help_session, person):
    """Return whether the library may ask this person how the visit turned out.

    `person` is None for a viewer by code. The library asks about a visit with a child only if the child is
    signed in, because the code doesn't say who uses it. Nobody is asked about a paper-only visit, because no
    child can keep it.
    """
    if help_session.quiet or help_session.forgotten_on:
        return False
    if help_session.with_child:
        return person is not None and person.is_child and person.pk == help_session.patron_id
    return True


def may_leave_out(help_session, viewer, library):
    """Return whether the visit's page offers "Don't ask about this visit", or its undo button.

    Someone who has not chosen yet answers the question on the page instead. See `question_about`.
    """
    person = viewer.person
    if not library.check_ins or not may_be_asked_about(help_session, person):
        return False
    if person is None:
        return bool(help_session.check_ins)
    if help_session.patron_id != person.pk or person.check_ins == person.CheckIns.NONE:
        return False
    return bool(person.check_ins or help_session.check_ins)


@transaction.atomic
def choose_for_opened(viewer, choice, *, at):
    """Save the choice for each visit that this browser opened by code, if the visit has no choice yet.

    Visits in a person's account are left out.
    """
    undecided = HelpSession.objects.filter(pk__in=viewer.opened_by_code, patron=None, check_ins="")
    for visit in undecided.order_by("pk"):
        if may_be_asked_about(visit, None):
            choose_for_visit(visit, choice, person=viewer.person, at=at)


@transaction.atomic
def undo_for_opened(viewer, choice, *, at):
    """Withdraw the choice that `choose_for_opened` saved for the visits that this browser opened by code."""
    chosen = HelpSession.objects.filter(pk__in=viewer.opened_by_code, patron=None, check_ins=choice)
    for visit in chosen.order_by("pk"):
        choose_for_visit(visit, "", person=viewer.person, at=at)


@transaction.atomic
def choose_for_visit(help_session, choice, *, at, person=None):
    """Save a choice from HelpSession.CheckIns for this visit. With "", the person's general choice applies.

    `person` is the person who chose, or None for a viewer by code. Nobody is asked about a quiet visit, so
    nothing is saved for it.
    """
    row = HelpSession.objects.select_for_update(no_key=True).filter(pk=help_session.pk).first()
    if row is None or row.quiet or row.forgotten_on or row.check_ins == choice:
        return row
    row.check_ins = choice
    row.save(update_fields=["check_ins"])
    audit.record("chose_check_ins_of_visit", row, by=person, patron=row.patron, at=at)
    return row
