"""Set up the pages of bench.pages in a database with 100,000 conversations and a million messages.

Building the database takes a few minutes, so the next run uses the same database. As in real texts, a few
words are frequent in the generated texts, and most words are rare.
"""

import datetime
import random
import re
import sys
import time
import uuid
from functools import partial
from itertools import accumulate

from django.db import connection, transaction
from django.utils import timezone

from accounts.models import NameWord, User
from bench import pages
from portal.conversations.models import Conversation, ConversationWords, Message, Participation
from portal.conversations.search import REBUILD
from portal.helpsessions.models import HelpSession, SessionRecommendation
from recommendations.models import Item, QuestionType, Recommendation
from recommendations.search import entries

CONVERSATIONS, MESSAGES_EACH, AT_ONCE, PATRONS, ITEMS, WORDS = 100_000, 10, 2_000, 20_000, 10_000, 30_000
# The maximum age of a visit, in days. It is low enough that retention deletes nothing for two months
# after a build.
DAYS = 300
SYLLABLES = re.findall("..", "barelimotaoskevidushelpogranzufelomiquti")
STATUSES = {"closed": 94, "waiting_for_patron": 3, "waiting_for_staff": 2, "snoozed": 1}
OUTCOMES = {("", ""): 80, ("all", "very_good"): 10, ("part", "good"): 6, ("no", "poor"): 4}


def set_up(count):
    """Build the large database if it does not exist, and return {name: Page}."""
    if Conversation.objects.count() < CONVERSATIONS:
        started = time.monotonic()
        _build(random.Random(1))
        print(f"Built in {time.monotonic() - started:.0f} s.", file=sys.stderr)
    return pages.set_up(count)


def _build(rng):
    words = [_name(rng).lower() for _ in range(WORDS)]
    some_words = partial(rng.choices, words, cum_weights=list(accumulate(1 / (n + 3) for n in range(WORDS))))
    patrons = User.objects.bulk_create(
        (User(name=_name(rng), email=f"large{n}@example.org") for n in range(PATRONS)), batch_size=AT_ONCE
    )
    for first in range(0, PATRONS, AT_ONCE):
        NameWord.objects.index(patrons[first : first + AT_ONCE])
    now = timezone.now()
    items = Item.objects.bulk_create(
        (Item(title=" ".join(some_words(k=4)), kind=Item.Kind.BOOK, added_at=now) for _ in range(ITEMS)),
        batch_size=AT_ONCE,
    )
    for first in range(0, ITEMS, AT_ONCE):
        entries.index([item.pk for item in items[first : first + AT_ONCE]])
    library = pages.library()
    for first in range(0, CONVERSATIONS, AT_ONCE):
        with transaction.atomic():
            visits = [_visit(rng, now, *library, patrons, some_words) for _ in range(AT_ONCE)]
            HelpSession.objects.bulk_create(visits)
            _add_recommendations(rng, visits, items)
            conversations = [_conversation(rng, now, visit) for visit in visits]
            Conversation.objects.bulk_create(conversations)
            _add_messages(rng, conversations, some_words)
        print(f"{first + AT_ONCE} of {CONVERSATIONS} conversations", end="\r", file=sys.stderr)
    with connection.cursor() as cursor:
        cursor.execute(REBUILD if connection.vendor == "sqlite" else "VACUUM ANALYZE")


def _visit(rng, now, branches, staff, topics, patrons, some_words):
    helper = rng.randrange(len(staff))
    at = now - datetime.timedelta(days=rng.random() * DAYS + 3)
    found, satisfaction = _weighted(rng, OUTCOMES)
    return HelpSession(
        status=HelpSession.Status.RECORDED,
        branch=branches[helper % len(branches)],
        staff=staff[helper],
        patron=rng.choice(patrons),
        topic=rng.choice(topics),
        happened_on=at.date(),
        hour=12,
        question_type=rng.choice(QuestionType.values),
        question=" ".join(some_words(k=8)).capitalize(),
        created_at=at,
        handed_over_at=at,
        kept_at=at,
        found=found,
        satisfaction=satisfaction,
        answered_at=at if found else None,
    )


def _add_recommendations(rng, visits, items):
    given = Recommendation.objects.bulk_create(
        Recommendation(
            item=rng.choice(items),
            reason="because you asked for something a beginner can follow",
            patron=visit.patron,
            recommended_by=visit.staff,
            branch=visit.branch,
            topic=visit.topic,
            question_type=visit.question_type,
            recommended_at=visit.created_at,
        )
        for visit in visits
    )
    SessionRecommendation.objects.bulk_create(
        SessionRecommendation(help_session=visit, recommendation=recommendation, position=0)
        for visit, recommendation in zip(visits, given, strict=True)
    )


def _conversation(rng, now, visit):
    status, opened = _weighted(rng, STATUSES), visit.created_at
    latest = opened + datetime.timedelta(hours=MESSAGES_EACH)
    waiting_since = latest if status in {"waiting_for_staff", "snoozed"} else None
    is_assigned = rng.random() < 2 / 3
    return Conversation(
        help_session=visit,
        patron=visit.patron,
        branch=visit.branch,
        topic=visit.topic,
        subject=visit.question[:200],
        status=status,
        reason=Conversation.Reason.ASKED,
        opened_at=opened,
        at_desk_from=opened,
        queued_at=latest,
        waiting_since=waiting_since,
        promised_at=waiting_since and waiting_since + datetime.timedelta(days=1),
        snoozed_until=(now + datetime.timedelta(days=30)).date() if status == "snoozed" else None,
        closed_at=latest if status == "closed" else None,
        closes_at=now + datetime.timedelta(days=9) if status == "waiting_for_patron" else None,
        assignee=visit.staff if is_assigned else None,
        assigned_at=opened if is_assigned else None,
        last_message_at=latest,
        changed_at=latest,
        version=MESSAGES_EACH,
        desk_version=MESSAGES_EACH,
    )


def _add_messages(rng, conversations, some_words):
    messages = Message.objects.bulk_create(
        _message(rng, conversation, turn, some_words)
        for conversation in conversations
        for turn in range(1, MESSAGES_EACH + 1)
    )
    ConversationWords.objects.bulk_create(
        ConversationWords(
            conversation=conversation,
            name=conversation.patron.name,
            words=f"{conversation.subject} {conversation.patron.name}".lower(),
        )
        for conversation in conversations
    )
    ConversationWords.objects.bulk_create(
        ConversationWords(conversation_id=message.conversation_id, message=message, words=message.body)
        for message in messages
    )
    Participation.objects.bulk_create(
        Participation(
            conversation=conversation,
            person=conversation.patron,
            side="patron",
            read_until=conversation.last_message_at,
        )
        for conversation in conversations
    )


def _message(rng, conversation, turn, some_words):
    by_patron, at = turn % 2, conversation.opened_at + datetime.timedelta(hours=turn)
    return Message(
        conversation=conversation,
        side="patron" if by_patron else "staff",
        author=conversation.patron if by_patron else conversation.help_session.staff,
        body=" ".join(some_words(k=30)),
        language="en",
        sent_at=at,
        shown_from=at,
        then="" if by_patron else "turn",
        client_token=uuid.UUID(int=rng.getrandbits(128), version=4),
    )


def _weighted(rng, weights):
    return rng.choices(list(weights), list(weights.values()))[0]


def _name(rng):
    return "".join(rng.choice(SYLLABLES) for _ in range(rng.randint(1, 4))).capitalize()
