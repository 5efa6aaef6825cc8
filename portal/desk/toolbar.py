"""What a conversation's page needs for handling it: whose it is, until when it can be put off, to whom it can be handed on."""

import datetime

from django.db.models import OuterRef, Q, Subquery
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import Absence, Branch, StaffRole, User
from accounts.staff.absences import away_on
from portal.conversations import notes
from portal.conversations.models import Conversation


def away_columns(today):
    """To annotate conversations with: until when the one whose it is is away today, and who covers."""
    absence = Absence.objects.on(today).filter(person=OuterRef("assignee"))
    return {
        "away_until": Subquery(absence.values("last_day")[:1]),
        "cover_name": Subquery(absence.values("cover__name")[:1]),
    }


def toolbar_context(request, conversation, *, draft, is_named=False):
    """For desk/conversation_toolbar.html and desk/note_form.html, of a conversation found with `away_columns`. No query, unless a note names
    its reader (`is_named`) who hasn't looked: opening the conversation is looking. `draft` is the note that is being written.
    """
    at = timezone.now()
    if is_named:
        notes.see_mentions(conversation, person=request.user, at=at)
    return {"toolbar": _toolbar(conversation, request.user, request.library.today(at)), "note_draft": draft}


def _toolbar(conversation, user, today):
    """Whose the conversation is and what may be done with it."""
    assignee = conversation.assignee
    mine = assignee is not None and assignee.pk == user.pk
    away_until = None if mine else conversation.away_until
    return {
        "mine": mine,
        "whose": _("You") if mine else assignee.display_name if assignee else "",
        "away_until": away_until,
        "cover": conversation.cover_name,
        "is_open": conversation.is_open,
        "may_take": conversation.is_open and not mine and (assignee is None or away_until is not None),
        "snoozed": conversation.status == Conversation.Status.SNOOZED,
        "days": snooze_days(today),
        "first_day": today + datetime.timedelta(days=1),
        "may_merge": conversation.patron_id is not None or conversation.help_session_id is not None,
        "may_erase": user.is_coordinator,
    }


def snooze_days(today):
    """[(words, day)]: the days that are chosen most, each once."""
    days = {}
    for words, ahead in ((_("Tomorrow"), 1), (_("Next Monday"), 7 - today.weekday()), (_("In a week"), 7)):
        days.setdefault(today + datetime.timedelta(days=ahead), words)
    return [(words, day) for day, words in sorted(days.items())]


def may_be_given_to(conversation, today):
    """([colleagues of its branch], [coordinators of others], [other branches]) to whom a conversation can go, each by name; away ones say so."""
    people = list(
        User.objects.filter(
            Q(staff_roles__branch=conversation.branch_id) | Q(staff_roles__role=StaffRole.Role.COORDINATOR),
            is_active=True,
        )
        .distinct()
        .order_by("name", "pk")
        .prefetch_related("staff_roles")
    )
    away = away_on(today)
    for person in people:
        person.is_away = person.pk in away
    here = [
        person
        for person in people
        if any(role.branch_id == conversation.branch_id for role in person.staff_roles.all())
    ]
    elsewhere = [person for person in people if person not in here]
    return here, elsewhere, list(Branch.objects.filter(closed_at=None).exclude(pk=conversation.branch_id))
