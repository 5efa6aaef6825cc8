"""The portal's measured pages, with the data that they show."""

import datetime
import uuid

from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from django.core.management import call_command
from django.urls import reverse
from django.utils import timezone

from accounts.access import SECOND_FACTOR
from bench.child import Page
from portal.conversations.models import Conversation, Message
from tests.factories import ConversationFactory, HelpSessionFactory, LibraryFactory, MessageFactory, StaffFactory, UserFactory, recommend_in

WORDS = "I have placed a hold for you and added a kit you can borrow today. " * 3


def set_up():
    """A patron with 30 sessions, 5 items in the first and a thread of 30 messages, among others'; a queue of 25 at the desk."""
    call_command("migrate", verbosity=0)
    call_command("createcachetable", verbosity=0)
    library = LibraryFactory()
    staff = StaffFactory(branch=library.default_branch)
    patron, *others = UserFactory.create_batch(10)
    now = timezone.now()
    for person in [patron, *others]:
        sessions = HelpSessionFactory.create_batch(30, patron=person, staff=staff, branch=library.default_branch)
        for session, items in zip(sessions, [5, 3, 3, 3, 3], strict=False):
            recommend_in(session, items)
        thread = ConversationFactory(help_session=sessions[0], status=Conversation.Status.WAITING_FOR_PATRON)
        for n in range(30):
            side, author = (Message.Side.STAFF, staff) if n % 2 else (Message.Side.PATRON, person)
            MessageFactory(conversation=thread, side=side, author=author, body=WORDS, sent_at=now - datetime.timedelta(hours=40 - n))
    waiting = [ConversationFactory(help_session=session, promised_at=now + datetime.timedelta(hours=20)) for session in sessions[1:26]]
    thread = Conversation.objects.get(patron=patron)
    answered = Conversation.objects.get(patron=others[0])
    address, news = thread.get_absolute_url(), reverse("conversation_news", args=[thread.public_id])
    mine, theirs, at_desk = _signed_in(patron), _signed_in(others[0]), _signed_in(staff)
    assert len(waiting) == 25
    return {
        "home": Page("/", mine),
        "session": Page(thread.help_session.get_absolute_url(), mine),
        "thread": Page(address, mine),
        "news": Page(f"{news}?since={thread.version}", mine, status="204 No Content", headers={"HTTP_HX_REQUEST": "true"}),
        "reply": Page(reverse("reply", args=[answered.public_id]), theirs, status="302 Found", fields=lambda: {"body": WORDS, "client_token": uuid.uuid4()}),
        "queue": Page(reverse("desk"), at_desk),
        "desk thread": Page(reverse("desk_conversation", args=[thread.public_id]), at_desk),
    }


def _signed_in(person):
    store = SessionStore()
    store[SESSION_KEY], store[BACKEND_SESSION_KEY], store[HASH_SESSION_KEY], store[SECOND_FACTOR] = (
        str(person.pk),
        "allauth.account.auth_backends.AuthenticationBackend",
        person.get_session_auth_hash(),
        timezone.now().isoformat(),
    )
    store.create()
    return store.session_key
