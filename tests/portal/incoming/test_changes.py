"""Test what is stored of an email if its conversation or its sender changes while the email is processed."""

import pytest
from django.utils import timezone

from portal.conversations import desk_actions
from portal.conversations.models import Conversation
from portal.conversations.reply_addresses import address_for
from portal.helpsessions.models import HelpSession
from portal.incoming import actions as incoming_actions
from portal.incoming.actions import CannotAdd, Outcome, add_to_conversation, receive
from portal.incoming.models import IncomingEmail
from portal.incoming.originals import content
from portal.notifications.models import Notification
from portal.privacy.merging import merge_people
from tests.factories import BranchFactory, ConversationFactory, MessageFactory, StaffFactory, UserFactory

pytestmark = pytest.mark.django_db
NOW = timezone.now


def texts(conversation):
    return list(conversation.messages.in_order().values_list("body", flat=True))


def meanwhile(monkeypatch, name, change):
    """Call `change` once, just before the function `name` of portal.incoming.actions runs."""
    original, waiting = getattr(incoming_actions, name), [change]

    def changed(*args, **kwargs):
        if waiting:
            waiting.pop()()
        return original(*args, **kwargs)

    monkeypatch.setattr(incoming_actions, name, changed)


def only_the_time_is_kept(disk):
    columns = ("reason", "sender", "subject", "text", "person", "conversation", "message", "file")
    rows = list(IncomingEmail.objects.values_list(*columns))
    return rows == [("erased", "", "", "", None, None, None, "")] and disk() == []


def make_quiet(conversation):
    Conversation.objects.filter(pk=conversation.pk).update(patron=None)
    HelpSession.objects.filter(pk=conversation.help_session_id).update(quiet=True, patron=None)


@pytest.mark.parametrize(("function", "text"), [("_take", "My secret"), ("_keep", "")])
def test_only_the_time_of_an_email_is_stored_if_its_visit_becomes_quiet_during_processing(
    conversation, write, disk, monkeypatch, function, text
):
    meanwhile(monkeypatch, function, lambda: make_quiet(conversation))
    assert receive(write(text), at=NOW()) == Outcome.NOT_MATCHED
    assert only_the_time_is_kept(disk)
    assert not Notification.objects.exists()


@pytest.mark.parametrize("sender", ["sam@example.org", "stranger@example.org"])
def test_only_the_time_of_an_email_is_stored_if_its_conversation_is_erased_during_processing(
    conversation, write, staff, disk, monkeypatch, sender
):
    meanwhile(monkeypatch, "_keep", lambda: desk_actions.erase(conversation, by=staff, at=NOW()))
    receive(write("", from_=sender), at=NOW())
    assert only_the_time_is_kept(disk)
    assert not Notification.objects.filter(kind="incoming/not_read").exists()


def test_email_waits_for_staff_if_the_patron_loses_the_visit_during_processing(
    conversation, write, patron, monkeypatch
):
    meanwhile(monkeypatch, "_take", lambda: Conversation.objects.update(patron=None))
    assert receive(write(), at=NOW()) == Outcome.NOT_MATCHED
    [email] = IncomingEmail.objects.all()
    assert (email.reason, email.person, email.conversation) == ("no_access", patron, conversation)


def test_email_becomes_a_message_even_if_the_record_is_merged_during_processing(
    conversation, write, patron, monkeypatch
):
    into = UserFactory(email=None)
    meanwhile(monkeypatch, "_take", lambda: merge_people(patron, into, by=into, at=NOW()))
    assert receive(write(), at=NOW()) == Outcome.MESSAGE
    assert conversation.messages.in_order().last().author == into


def test_email_from_a_former_patron_waits_for_staff_and_is_deleted_with_the_conversation(
    conversation, write, staff, coordinator, disk, django_capture_on_commit_callbacks
):
    conversation.patron = None
    conversation.save()
    receive(write(), at=NOW())
    elsewhere = StaffFactory(branch=BranchFactory(), branch__role="coordinator")
    seen = [IncomingEmail.objects.not_matched_for(person).count() for person in (coordinator, elsewhere)]
    assert seen == [1, 0]
    with pytest.raises(CannotAdd):
        add_to_conversation(IncomingEmail.objects.get(), by=staff, at=NOW())
    with django_capture_on_commit_callbacks(execute=True):
        desk_actions.erase(conversation, by=staff, at=NOW())
    assert (IncomingEmail.objects.count(), disk()) == (0, [])


def test_email_to_two_reply_addresses_becomes_a_message_in_both_conversations(
    conversation, write, patron, branch, reply_to
):
    other = MessageFactory(
        conversation=ConversationFactory(help_session=None, patron=patron, branch=branch)
    ).conversation
    addresses = [reply_to, address_for(other, patron, at=NOW())]
    raw = write(to=", ".join(addresses))
    outcomes = [receive(raw, at=NOW(), recipient=address) for address in [*addresses, *addresses]]
    assert outcomes == [Outcome.MESSAGE] * 2 + [Outcome.DROPPED] * 2
    assert (texts(conversation)[1:], texts(other)[1:]) == (["Yes, that helped."],) * 2


def test_incoming_email_is_stored_without_the_token_of_its_reply_address(conversation, write, reply_to, disk):
    quote = f"Yes\n\nTo: The library <{reply_to}>"
    receive(write(quote, message_id="<1@x>"), at=NOW())
    receive(write(quote, message_id="<2@x>", from_="stranger@example.org"), at=NOW())
    assert texts(conversation)[-1] == "Yes\n\nTo: The library <reply@library.example>"
    token = reply_to.partition("+")[2].partition("@")[0]
    for email in IncomingEmail.objects.all():
        kept = f"{email.text} {email.subject} {content(email).decode()}"
        assert token not in kept.replace("=\n", "").lower()
        assert "To: reply@library.example" in kept
        assert email.size == len(content(email))
