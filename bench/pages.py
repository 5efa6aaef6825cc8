"""The portal's measured pages, with the data that they show."""

import datetime
import html
import re
import uuid

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import Branch, Library, User
from accounts.sign_in.access import SECOND_FACTOR
from bench.child import Page
from portal.conversations.models import Conversation, Message
from portal.conversations.search import index_conversation, index_message
from portal.limits import LIMITS, Limit
from recommendations.models import Topic
from tests.factories import (
    BranchFactory,
    ConversationFactory,
    HelpSessionFactory,
    LibraryFactory,
    MessageFactory,
    StaffFactory,
    TopicFactory,
    UserFactory,
    recommend_in,
)

PATRON, STAFF = "bench-patron@example.org", "bench-staff@example.org"
BRANCHES, COLLEAGUES, TOPICS = 10, 60, 20

WORDS = "I have placed a hold for you and added a kit you can borrow today. " * 3


def set_up():
    """Create a patron with 30 sessions and a conversation of 30 messages, and a queue of 25 at the desk.

    The queue's conversations have waited longest of all in the database.
    """
    call_command("migrate", verbosity=0)
    call_command("createcachetable", verbosity=0)
    if not User.objects.filter(email=PATRON).exists():
        _fill()
    LIMITS["message"] = Limit(
        "messages", person="2/0s", network="2/0s"
    )  # counted as for somebody who hasn't written for long
    staff, patron = User.objects.get(email=STAFF), User.objects.get(email=PATRON)
    conversation = Conversation.objects.get(patron=patron)
    # Answered again and again, at a branch of its own: nothing that is polled changes meanwhile.
    answered = Conversation.objects.get(branch__slug="bench-elsewhere")
    address, at_desk = (
        conversation.get_absolute_url(),
        reverse("desk_conversation", args=[conversation.public_id]),
    )
    mine, theirs, staffs = _signed_in(patron), _signed_in(answered.patron), _signed_in(staff)
    nothing_new = {"status": "204 No Content", "headers": {"HTTP_HX_REQUEST": "true"}}
    return {
        "home": Page("/", mine),
        "session": Page(conversation.help_session.get_absolute_url(), mine),
        "conversation": Page(address, mine),
        "news": Page(_polled(address, mine), mine, **nothing_new),
        "reply": Page(
            reverse("reply", args=[answered.public_id]),
            theirs,
            status="302 Found",
            fields=lambda: {"body": WORDS, "client_token": uuid.uuid4()},
        ),
        "queue": Page(reverse("desk"), staffs),
        "queue news": Page(_polled(reverse("desk"), staffs), staffs, **nothing_new),
        "queue search": Page(f"{reverse('desk')}?q=balcony+hold", staffs),
        "desk conversation": Page(at_desk, staffs),
        "desk news": Page(_polled(at_desk, staffs), staffs, **nothing_new),
    }


def library():
    """(branches, the staff of all of them in turn, topics): the same in a small database and in a large one, since a page that shows
    more costs more."""
    if not Library.objects.exists():
        branches = [LibraryFactory().default_branch, *BranchFactory.create_batch(BRANCHES - 1)]
        for n in range(COLLEAGUES):
            StaffFactory(branch=branches[n % BRANCHES], email=f"colleague{n}@example.org")
        TopicFactory.create_batch(TOPICS)
    colleagues = User.objects.filter(staff_roles__isnull=False, email__startswith="colleague").order_by("pk")
    return (
        list(Branch.objects.exclude(slug="bench-elsewhere").order_by("pk")),
        list(colleagues),
        list(Topic.objects.order_by("pk")),
    )


def _fill():
    [branch, *_others], colleagues, topics = library()
    elsewhere = BranchFactory(name="Bench Elsewhere", slug="bench-elsewhere")
    staff = StaffFactory(branch=branch, email=STAFF)
    patron, *others = [UserFactory(email=PATRON), *UserFactory.create_batch(9)]
    now = timezone.now()
    for person in [patron, *others]:
        at = elsewhere if person == others[0] else branch
        sessions = HelpSessionFactory.create_batch(30, patron=person, staff=staff, branch=at)
        for session, items in zip(sessions, [5, 3, 3, 3, 3], strict=False):
            recommend_in(session, items)
        conversation = ConversationFactory(
            help_session=sessions[0], status=Conversation.Status.WAITING_FOR_PATRON
        )
        for n in range(30):
            side, author = (Message.Side.STAFF, staff) if n % 2 else (Message.Side.PATRON, person)
            MessageFactory(
                conversation=conversation,
                side=side,
                author=author,
                body=WORDS,
                sent_at=now - datetime.timedelta(hours=40 - n),
            )
    long_ago = now - datetime.timedelta(days=1000)  # before all else that waits
    for n, session in enumerate(sessions[1:26]):
        came = long_ago + datetime.timedelta(hours=n)
        whose = colleagues[n // 3 % 6 * BRANCHES] if n % 3 else None
        conversation = ConversationFactory(
            help_session=session,
            patron=others[n % 9],
            topic=topics[n % TOPICS],
            subject=f"Question {n}: {WORDS}"[:120],
            opened_at=came,
            promised_at=came + datetime.timedelta(days=1),
            assignee=whose,
        )
        MessageFactory(conversation=conversation, body=WORDS, sent_at=came)
    for conversation in Conversation.objects.filter(help_session__staff=staff):
        index_conversation(conversation)
        for message in conversation.messages.all():
            index_message(message)


def _polled(page, session_key):
    """The address that the open page asks for news."""
    browser = Client(headers={"host": "localhost"})
    browser.cookies["sessionid"] = session_key
    browser.get(page)  # whatever is unread is read now
    words = browser.get(page).content.decode()
    if found := re.search(r'data-poll="([^"]+)"', words):
        return html.unescape(found[1])
    news, state = re.search(r'data-news="([^"]+)"', words)[1], re.search(r'data-state="([^"]+)"', words)[1]
    return f"{news}?since={html.unescape(state)}"


def _signed_in(person):
    store = SessionStore()
    store[SESSION_KEY], store[BACKEND_SESSION_KEY], store[HASH_SESSION_KEY], store[SECOND_FACTOR] = (
        str(person.pk),
        settings.AUTHENTICATION_BACKENDS[0],
        person.get_session_auth_hash(),
        timezone.now().isoformat(),
    )
    store.create()
    return store.session_key
