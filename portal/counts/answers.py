"""Count how many opening hours patrons waited for the first answer in a conversation.

A conversation is counted once, soon after its first answer, with the calendar and the promise that its branch
has at that time. It stays counted when it is erased or forgotten.
"""

import datetime
from collections import Counter

from django.db import transaction
from django.db.models import F, Min, OuterRef, Subquery

from accounts.hours import Calendar
from accounts.models import Branch, Library
from portal.conversations.models import Conversation, Message, Side

from .actions import lock_counts
from .counting import month_of
from .models import AnswerCount, CountedAnswer

# The upper limits of the bands, in minutes. The bands are narrow enough to find a median and a 90th
# percentile. The last limit is longer than the longest promise.
BANDS = (
    *(5, 10, 15, 20, 25, 30, 40, 50, 60, 75, 90, 120, 150, 180, 240, 300, 360, 480, 600, 720, 960, 1200),
    *(1440, 1920, 2400, 2880, 3840, 4800, 5760, 7200, 9600, 12000, 14400, 19200, 24000, 48000, 96000),
)
# The value of `up_to` for answers that took longer than the last of BANDS.
LONGER = 0
BATCH = 200


def count_answers(*, at):
    """Count the first answers that have not been counted yet. The worker runs this job."""
    while _count_some(at):
        pass


@transaction.atomic
def _count_some(at):
    # Lock the conversations before the counts, as forgetting does. Skip a conversation that is locked now.
    # The next run counts it.
    found = _not_counted(Conversation.objects.all(), at).order_by("pk")
    rows = list(found.select_for_update(of=("self",), no_key=True, skip_locked=True)[:BATCH])
    _count(rows)
    return len(rows)


def count_answers_of(conversations, *, at):
    """Count the first answers in these conversations, before they are deleted.

    The caller has locked the conversations and has begun a transaction.
    """
    keys = [conversation.pk for conversation in conversations]
    _count(list(_not_counted(Conversation.objects.filter(pk__in=keys), at)))


def _not_counted(conversations, at):
    """Return the uncounted conversations with an answer that the patron can see.

    Each has two annotations: `asked` is the time of the patron's first message, or None. `answered` is the
    time of the first answer.
    """
    messages = Message.objects.filter(conversation=OuterRef("pk")).order_by().values("conversation")
    asked = messages.filter(side=Side.PATRON).annotate(first=Min("sent_at")).values("first")
    answered = (
        messages.filter(side=Side.STAFF, shown_from__lte=at).annotate(first=Min("sent_at")).values("first")
    )
    rows = conversations.filter(counted_answer=None, last_message_at__isnull=False)
    rows = rows.annotate(asked=Subquery(asked), answered=Subquery(answered))
    return rows.filter(answered__isnull=False)


def _count(rows):
    """Count the conversations, and mark them as counted.

    If staff began a conversation, it has no waiting time, so it is only marked.
    """
    if not rows:
        return
    lock_counts()
    library = Library.current()
    branches = Branch.objects.filter(pk__in={row.branch_id for row in rows})
    branches = branches.prefetch_related("opening_hours", "closed_days")
    calendars = {branch.pk: Calendar.of(branch, library) for branch in branches}
    counted: Counter = Counter()
    for row in rows:
        if row.asked is not None and row.asked <= row.answered:
            calendar = calendars[row.branch_id]
            waited = calendar.open_time(row.asked, row.answered)
            is_late = waited > datetime.timedelta(hours=calendar.promise_hours)
            month = month_of(row.answered.astimezone(library.zone).date())
            counted[month, row.branch_id, band_of(waited), is_late] += 1
    for (month, branch, up_to, is_late), answers in counted.items():
        key = {"month": month, "branch_id": branch, "up_to": up_to, "is_late": is_late}
        if not AnswerCount.objects.filter(**key).update(answers=F("answers") + answers):
            AnswerCount.objects.create(**key, answers=answers)
    CountedAnswer.objects.bulk_create([CountedAnswer(conversation=row) for row in rows])


def band_of(waited):
    """Return the upper limit, in minutes, of the band that has this waiting time, or LONGER."""
    minutes = waited / datetime.timedelta(minutes=1)
    return next((end for end in BANDS if minutes <= end), LONGER)
