"""The toolbar of a conversation's page.

The toolbar shows the assignee. It has a button for each action on the conversation except answering.
"""

import datetime

from django.db.models import Exists, OuterRef, Q, Subquery
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import Absence, Branch, StaffRole, User
from accounts.staff.absences import away_on
from portal.conversations import notes
from portal.conversations.models import Conversation

from .call_back import call_context
from .next_step_items import items_to_get


def away_columns(today):
    """Return annotations for a queryset of conversations.

    `away_until` is the assignee's last day away, and `cover_name` is the name of the colleague who covers.
    Both are NULL if the assignee isn't away today.
    """
    absence = Absence.objects.on(today).filter(person=OuterRef("assignee"))
    return {
        "away_until": Subquery(absence.values("last_day")[:1]),
        "cover_name": Subquery(absence.values("cover__name")[:1]),
    }


def toolbar_context(request, conversation, *, draft, is_mentioned=False):
    """Return the context of conversation_toolbar.html, call_back.html, next_steps.html and note_form.html.

    The conversation must have the annotations of `conversation_for_page`. `draft` is the draft of a note. If
    `is_mentioned` is true, one query records that the staff member has seen the notes that mention them.
    """
    at = timezone.now()
    if is_mentioned:
        notes.see_mentions(conversation, person=request.user, at=at)
    toolbar = _toolbar(conversation, request.user, request.library.today(at))
    return {
        "toolbar": toolbar,
        "note_draft": draft,
        "items_to_get": items_to_get(conversation) if conversation.has_items_to_get else [],
        **call_context(request, conversation),
    }


def _toolbar(conversation, user, today):
    assignee = conversation.assignee
    mine = assignee is not None and assignee.pk == user.pk
    away_until = None if mine else conversation.away_until
    return {
        "is_cover": not mine and conversation.branch_id in user.covered_branch_ids,
        "mine": mine,
        "whose": _("You") if mine else assignee.display_name if assignee else "",
        "away_until": away_until,
        "cover": conversation.cover_name,
        "is_open": conversation.is_open,
        "may_take": conversation.is_open and not mine and (assignee is None or away_until is not None),
        "snoozed": conversation.status == Conversation.Status.SNOOZED,
        "days": snooze_days(today),
        "first_day": today + datetime.timedelta(days=1),
        "may_merge": not conversation.wants_no_answer
        and (conversation.patron_id is not None or conversation.help_session_id is not None),
        "may_erase": user.is_coordinator,
    }


def snooze_days(today):
    """Return [(label, day)] for the days that staff choose most often. Each day appears only once."""
    choices = [(_("Tomorrow"), 1), (_("Next Monday"), 7 - today.weekday()), (_("In a week"), 7)]
    days = {}
    for label, ahead in choices:
        days.setdefault(today + datetime.timedelta(days=ahead), label)
    return [(label, day) for day, label in sorted(days.items())]


def assignment_choices(conversation, today):
    """Return (colleagues, coordinators, branches) that staff can choose in the form "Assign or transfer".

    The colleagues work at the conversation's branch, or at a branch that covers for that branch. The
    coordinators work at other branches. The conversation can be transferred to the `branches`. Also set
    `is_away` on each person: whether the person is away today.
    """
    branches = conversation.branch_ids_at_desk(timezone.now())
    roles_here = StaffRole.objects.filter(user=OuterRef("pk"), branch__in=branches)
    coordinator = Q(staff_roles__role=StaffRole.Role.COORDINATOR)
    people = (
        User.objects.filter(Q(staff_roles__branch__in=branches) | coordinator, is_active=True)
        .annotate(works_here=Exists(roles_here))
        .distinct()
        .order_by("name", "pk")
    )
    away = away_on(today)
    colleagues, coordinators = [], []
    for person in people:
        person.is_away = person.pk in away
        (colleagues if person.works_here else coordinators).append(person)
    return colleagues, coordinators, Branch.objects.filter(closed_at=None).exclude(pk=conversation.branch_id)
