"""100,000 conversations with 1,000,000 messages and their index, in the database that is there; then the measured pages among them.

Built once, in some minutes, and used again. The words are made up, as rare and as common as words are.
"""

import datetime
import itertools
import random
import sys
import time
import uuid

from django.core.management import call_command
from django.db import connection, transaction
from django.utils import timezone

from accounts.models import User
from bench import pages
from portal.conversations.models import Conversation, ConversationWords, Message, Participation
from portal.conversations.search import REBUILD
from portal.helpsessions.models import HelpSession
from recommendations.models import QuestionType

CONVERSATIONS, MESSAGES_EACH, AT_ONCE, PATRONS = 100_000, 10, 2_000, 20_000


def set_up():
    call_command("migrate", verbosity=0)
    call_command("createcachetable", verbosity=0)
    if Conversation.objects.count() < CONVERSATIONS:
        begun = time.monotonic()
        _build(random.Random(1))  # noqa: S311
        print(f"built in {time.monotonic() - begun:.0f} s", file=sys.stderr)
    found = pages.set_up()
    _renew_statistics()
    return found


def _renew_statistics():
    with connection.cursor() as cursor:
        cursor.execute(
            "ANALYZE" if connection.vendor == "postgresql" else "PRAGMA optimize = 0x10002"
        )  # as the worker does


def _build(chance):
    now = timezone.now()
    branches, staff, topics = pages.library()
    patrons = User.objects.bulk_create(
        (User(name=_name(chance), email=f"large{n}@example.org") for n in range(PATRONS)), batch_size=AT_ONCE
    )
    words = [_name(chance).lower() for _ in range(30_000)]
    weights = list(itertools.accumulate(1 / (n + 3) for n in range(len(words))))
    for first in range(0, CONVERSATIONS, AT_ONCE):
        with transaction.atomic():
            _some(
                chance,
                now,
                first,
                branches,
                topics,
                staff,
                patrons,
                lambda count: chance.choices(words, cum_weights=weights, k=count),
            )
        print(f"{first + AT_ONCE} of {CONVERSATIONS} conversations", end="\r", file=sys.stderr)
    with connection.cursor() as cursor:
        cursor.execute(REBUILD if connection.vendor == "sqlite" else "VACUUM ANALYZE")


def _some(chance, now, first, branches, topics, staff, patrons, some_words):
    sessions, conversations, said, rows, read = [], [], [], [], []
    for number in range(first, first + AT_ONCE):
        branch, topic, patron = (
            branches[number % len(branches)],
            chance.choice(topics),
            chance.choice(patrons),
        )
        helper = staff[number % len(branches) + len(branches) * chance.randrange(len(staff) // len(branches))]
        opened = now - datetime.timedelta(days=chance.random() * 700 + 3)
        question = " ".join(some_words(8)).capitalize()
        sessions.append(
            HelpSession(
                status="recorded",
                branch=branch,
                staff=helper,
                patron=patron,
                topic=topic,
                happened_on=opened.date(),
                hour=12,
                question_type=QuestionType.REFERENCE,
                question=question,
                summary="",
                created_at=opened,
                kept_at=opened,
            )
        )
        status = chance.choices(
            ["closed", "waiting_for_patron", "waiting_for_staff", "snoozed"], [94, 3, 2, 1]
        )[0]
        latest = opened + datetime.timedelta(hours=MESSAGES_EACH)
        waits = latest if status in {"waiting_for_staff", "snoozed"} else None
        conversations.append(
            Conversation(
                help_session=sessions[-1],
                patron=patron,
                branch=branch,
                topic=topic,
                subject=question[:200],
                status=status,
                reason="asked",
                opened_at=opened,
                at_desk_from=opened,
                queued_at=latest,
                waiting_since=waits,
                promised_at=waits and waits + datetime.timedelta(days=1),
                snoozed_until=(now + datetime.timedelta(days=30)).date() if status == "snoozed" else None,
                closed_at=latest if status == "closed" else None,
                closes_at=now + datetime.timedelta(days=9) if status == "waiting_for_patron" else None,
                assignee=helper if number % 3 else None,
                assigned_at=opened if number % 3 else None,
                last_message_at=latest,
                changed_at=latest,
                version=MESSAGES_EACH,
                desk_version=MESSAGES_EACH,
            )
        )
    HelpSession.objects.bulk_create(sessions)
    Conversation.objects.bulk_create(conversations)
    for conversation in conversations:
        rows.append(
            ConversationWords(
                conversation=conversation,
                name=conversation.patron.name,
                words=f"{conversation.subject} {conversation.patron.name}".lower(),
            )
        )
        for turn in range(1, MESSAGES_EACH + 1):
            side, at = (
                ("patron" if turn % 2 else "staff"),
                conversation.opened_at + datetime.timedelta(hours=turn),
            )
            said.append(
                Message(
                    conversation=conversation,
                    side=side,
                    author_id=conversation.patron_id if turn % 2 else sessions[0].staff_id,
                    body=" ".join(some_words(30)),
                    language="en",
                    sent_at=at,
                    shown_from=at,
                    then="" if turn % 2 else "turn",
                    client_token=uuid.UUID(int=chance.getrandbits(128), version=4),
                )
            )
        read.append(
            Participation(
                conversation=conversation,
                person=conversation.patron,
                side="patron",
                read_until=conversation.last_message_at,
            )
        )
    Message.objects.bulk_create(said)
    rows += [
        ConversationWords(conversation_id=message.conversation_id, message=message, words=message.body)
        for message in said
    ]
    ConversationWords.objects.bulk_create(rows)
    Participation.objects.bulk_create(read)


def _name(chance):
    syllables = [
        "ba",
        "ren",
        "li",
        "mor",
        "ta",
        "os",
        "ke",
        "vin",
        "du",
        "sha",
        "el",
        "po",
        "gri",
        "an",
        "zu",
        "fe",
        "lo",
        "mi",
        "quar",
        "ti",
    ]
    return "".join(chance.choice(syllables) for _ in range(chance.randint(1, 4))).capitalize()
