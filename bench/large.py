"""The measured pages among 100,000 conversations with a million messages.

The database is built once, in some minutes, and kept. Its words are as rare and as common as real ones.
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

from accounts.models import User
from bench import pages
from portal.conversations.models import Conversation, ConversationWords, Message, Participation
from portal.conversations.search import REBUILD
from portal.helpsessions.models import HelpSession, SessionRecommendation
from recommendations import search
from recommendations.models import Item, QuestionType, Recommendation

CONVERSATIONS, MESSAGES_EACH, AT_ONCE, PATRONS, ITEMS, WORDS = 100_000, 10, 2_000, 20_000, 10_000, 30_000
DAYS = 300  # a library forgets a visit after a year: nothing is due for the first two months of this database
SYLLABLES = re.findall("..", "barelimotaoskevidushelpogranzufelomiquti")
STATUSES = {"closed": 94, "waiting_for_patron": 3, "waiting_for_staff": 2, "snoozed": 1}
OUTCOMES = {("", ""): 80, ("all", "very_good"): 10, ("part", "good"): 6, ("no", "poor"): 4}


def set_up(count):
    if Conversation.objects.count() < CONVERSATIONS:
        begun = time.monotonic()
        _build(random.Random(1))
        print(f"Built in {time.monotonic() - begun:.0f} s.", file=sys.stderr)
    return pages.set_up(count)


def _build(chance):
    words = [_name(chance).lower() for _ in range(WORDS)]
    some_words = partial(
        chance.choices, words, cum_weights=list(accumulate(1 / (n + 3) for n in range(WORDS)))
    )
    patrons = User.objects.bulk_create(
        (User(name=_name(chance), email=f"large{n}@example.org") for n in range(PATRONS)), batch_size=AT_ONCE
    )
    now = timezone.now()
    items = Item.objects.bulk_create(
        (Item(title=" ".join(some_words(k=4)), kind=Item.Kind.BOOK, added_at=now) for _ in range(ITEMS)),
        batch_size=AT_ONCE,
    )
    for first in range(0, ITEMS, AT_ONCE):
        search.index([item.pk for item in items[first : first + AT_ONCE]])
    library = pages.library()
    for first in range(0, CONVERSATIONS, AT_ONCE):
        with transaction.atomic():
            visits = [_visit(chance, now, *library, patrons, some_words) for _ in range(AT_ONCE)]
            HelpSession.objects.bulk_create(visits)
            _add_recommendations(chance, visits, items)
            conversations = [_conversation(chance, now, visit) for visit in visits]
            Conversation.objects.bulk_create(conversations)
            _add_messages(chance, conversations, some_words)
        print(f"{first + AT_ONCE} of {CONVERSATIONS} conversations", end="\r", file=sys.stderr)
    with connection.cursor() as cursor:
        cursor.execute(REBUILD if connection.vendor == "sqlite" else "VACUUM ANALYZE")


def _visit(chance, now, branches, staff, topics, patrons, some_words):
    helper = chance.randrange(len(staff))
    at = now - datetime.timedelta(days=chance.random() * DAYS + 3)
    found, satisfaction = _weighted(chance, OUTCOMES)
    return HelpSession(
        status=HelpSession.Status.RECORDED,
        branch=branches[helper % len(branches)],
        staff=staff[helper],
        patron=chance.choice(patrons),
        topic=chance.choice(topics),
        happened_on=at.date(),
        hour=12,
        question_type=chance.choice(QuestionType.values),
        question=" ".join(some_words(k=8)).capitalize(),
        created_at=at,
        handed_over_at=at,
        kept_at=at,
        found=found,
        satisfaction=satisfaction,
        answered_at=at if found else None,
    )


def _add_recommendations(chance, visits, items):
    given = Recommendation.objects.bulk_create(
        Recommendation(
            item=chance.choice(items),
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


def _conversation(chance, now, visit):
    status, opened = _weighted(chance, STATUSES), visit.created_at
    latest = opened + datetime.timedelta(hours=MESSAGES_EACH)
    waits = latest if status in {"waiting_for_staff", "snoozed"} else None
    taken = chance.random() < 2 / 3
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
        waiting_since=waits,
        promised_at=waits and waits + datetime.timedelta(days=1),
        snoozed_until=(now + datetime.timedelta(days=30)).date() if status == "snoozed" else None,
        closed_at=latest if status == "closed" else None,
        closes_at=now + datetime.timedelta(days=9) if status == "waiting_for_patron" else None,
        assignee=visit.staff if taken else None,
        assigned_at=opened if taken else None,
        last_message_at=latest,
        changed_at=latest,
        version=MESSAGES_EACH,
        desk_version=MESSAGES_EACH,
    )


def _add_messages(chance, conversations, some_words):
    messages = Message.objects.bulk_create(
        _message(chance, conversation, turn, some_words)
        for conversation in conversations
        for turn in range(1, MESSAGES_EACH + 1)
    )
    ConversationWords.objects.bulk_create(
        ConversationWords(
            conversation=one, name=one.patron.name, words=f"{one.subject} {one.patron.name}".lower()
        )
        for one in conversations
    )
    ConversationWords.objects.bulk_create(
        ConversationWords(conversation_id=message.conversation_id, message=message, words=message.body)
        for message in messages
    )
    Participation.objects.bulk_create(
        Participation(conversation=one, person=one.patron, side="patron", read_until=one.last_message_at)
        for one in conversations
    )


def _message(chance, conversation, turn, some_words):
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
        client_token=uuid.UUID(int=chance.getrandbits(128), version=4),
    )


def _weighted(chance, weights):
    return chance.choices(list(weights), list(weights.values()))[0]


def _name(chance):
    return "".join(chance.choice(SYLLABLES) for _ in range(chance.randint(1, 4))).capitalize()
