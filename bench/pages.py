"""The portal's measured pages, with the data that they show."""

import datetime

from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from django.core.management import call_command
from django.utils import timezone

from portal.conversations.models import Conversation, Message
from tests.factories import ConversationFactory, HelpSessionFactory, LibraryFactory, MessageFactory, StaffFactory, UserFactory, recommend_in


def set_up():
    """A patron with 30 sessions and a thread of 30 messages, among others'."""
    call_command("migrate", verbosity=0)
    call_command("createcachetable", verbosity=0)
    library = LibraryFactory()
    staff = StaffFactory(branch=library.default_branch)
    patron, *others = UserFactory.create_batch(10)
    now = timezone.now()
    for person in [patron, *others]:
        sessions = HelpSessionFactory.create_batch(30, patron=person, staff=staff, branch=library.default_branch)
        for session in sessions[:5]:
            recommend_in(session, 3)
        thread = ConversationFactory(help_session=sessions[0], status=Conversation.Status.WAITING_FOR_PATRON)
        for n in range(30):
            MessageFactory(
                conversation=thread,
                side=Message.Side.STAFF if n % 2 else Message.Side.PATRON,
                body="I have placed a hold for you and added a kit you can borrow today. " * 3,
                sent_at=now - datetime.timedelta(hours=40 - n),
            )
    thread = Conversation.objects.get(patron=patron)
    key = _signed_in(patron)
    return {"home": ("/", key, "sessionid"), "thread": (thread.get_absolute_url(), key, "sessionid")}


def _signed_in(person):
    store = SessionStore()
    store[SESSION_KEY], store[BACKEND_SESSION_KEY], store[HASH_SESSION_KEY] = (
        str(person.pk),
        "allauth.account.auth_backends.AuthenticationBackend",
        person.get_session_auth_hash(),
    )
    store.create()
    return store.session_key
