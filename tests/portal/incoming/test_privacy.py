"""Test how long incoming emails are stored, who gets a copy, and what happens when records change."""

import io
import json
import zipfile
from datetime import timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default

import pytest
from django.core.files.base import ContentFile
from django.utils import timezone

from accounts.models import private_storage
from portal.conversations.models import Message
from portal.conversations.reply_addresses import address_for
from portal.conversations.viewer import BrowserViewer
from portal.incoming import actions, originals
from portal.incoming.actions import receive
from portal.incoming.forgetting import forget_dropped_emails
from portal.incoming.models import DroppedEmails, EmailReader, IncomingEmail
from portal.incoming.originals import forget_stray_originals
from portal.privacy import erasure, exports, holds, retention, unlinking, unmerging, wrong_patron
from portal.privacy.export_tables.conversations import incoming_emails
from portal.privacy.models import Export
from portal.privacy.session_lock import lock_session
from portal.signed_addresses import without_tokens_in_bytes
from tests.factories import (
    BranchFactory,
    ConversationFactory,
    HelpSessionFactory,
    MessageFactory,
    SharedSessionFactory,
    StaffFactory,
    UserFactory,
)

pytestmark = pytest.mark.django_db
NOW = timezone.now
DAY = timedelta(days=1)


@pytest.fixture
def original(conversation, write):
    """Return an email from the patron that was saved as a message."""
    receive(write("My own words", message_id="<original@x>"), at=NOW())
    return IncomingEmail.objects.get()


@pytest.fixture
def waiting(conversation, write):
    """Return an email that a stranger sent to the conversation. The email waits for staff."""
    receive(write("Strange words", message_id="<waiting@x>", from_="stranger@example.org"), at=NOW())
    return IncomingEmail.objects.get(reason="other_sender")


def kept():
    return set(IncomingEmail.objects.values_list("reason", flat=True))


def test_unmatched_email_and_its_file_are_deleted_after_30_days(
    original, waiting, disk, django_capture_on_commit_callbacks
):
    came_at = IncomingEmail.objects.not_matched().get().came_at
    retention.forget(at=came_at + 30 * DAY - timedelta(minutes=1))
    assert kept() == {"", "other_sender"}
    with django_capture_on_commit_callbacks(execute=True):
        retention.forget(at=came_at + 30 * DAY)
    assert (kept(), disk()) == ({""}, [original.file.name])


def test_time_of_an_email_to_an_erased_conversation_is_deleted_after_30_days(library):
    email = IncomingEmail.objects.create(came_at=NOW(), reason="erased")
    retention.forget(at=email.came_at + 30 * DAY - timedelta(minutes=1))
    assert kept() == {"erased"}
    retention.forget(at=email.came_at + 30 * DAY)
    assert kept() == set()


@pytest.mark.parametrize("what", ["conversation", "patron"])
def test_unmatched_email_is_not_deleted_during_a_legal_hold(waiting, conversation, patron, coordinator, what):
    record = {"conversation": conversation, "patron": patron}[what]
    legal_hold = holds.hold(record, reason="Court order", by=coordinator, at=NOW())
    retention.forget(at=NOW() + 31 * DAY)
    assert kept() == {"other_sender"}
    holds.lift(legal_hold, by=coordinator, at=NOW())
    retention.forget(at=NOW() + 31 * DAY)
    assert kept() == set()


def test_deleting_a_conversation_deletes_its_emails(
    original, waiting, conversation, staff, disk, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks(execute=True):
        conversation.delete()
    assert (kept(), disk()) == (set(), [])


def test_erasing_the_patron_deletes_their_emails(
    original, waiting, patron, write, disk, django_capture_on_commit_callbacks
):
    receive(write("Lost words", to="reply@library.example", message_id="<lost@x>"), at=NOW())
    receive(
        write("Other words", to="reply@library.example", from_="b@x.example", message_id="<b@x>"), at=NOW()
    )
    with django_capture_on_commit_callbacks(execute=True):
        erasure.erase(patron, language="en", at=NOW())
    assert list(IncomingEmail.objects.values_list("text", flat=True)) == ["Other words"]
    assert len(disk()) == 1


def test_erasing_an_adult_deletes_the_original_email_but_not_the_message(
    branch, staff, write, disk, django_capture_on_commit_callbacks
):
    adult, child = UserFactory(email="ada@example.org"), UserFactory(email=None)
    session = SharedSessionFactory(branch=branch, staff=staff, patron=child, shared_with=adult)
    shared = MessageFactory(conversation=ConversationFactory(help_session=session)).conversation
    receive(write(from_=adult.email, to=address_for(shared, adult, at=NOW())), at=NOW())
    assert Message.objects.filter(by_email="own", author=adult).count() == 1
    with django_capture_on_commit_callbacks(execute=True):
        erasure.erase(adult, language="en", at=NOW())
    assert (shared.messages.count(), kept(), disk()) == (2, set(), [])


def test_making_a_visit_quiet_deletes_its_emails(
    original, waiting, conversation, staff, disk, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks(execute=True):
        make_quiet(conversation)
    assert (kept(), disk(), conversation.messages.count()) == (set(), [], 2)


def test_nobody_can_open_emails_about_a_quiet_visit_during_a_legal_hold(
    original, waiting, conversation, staff, coordinator
):
    legal_hold = holds.hold(conversation.help_session, reason="Court order", by=coordinator, at=NOW())
    make_quiet(conversation)
    assert kept() == {"", "other_sender"}
    assert set(IncomingEmail.objects.values_list("person", flat=True)) == {None}
    assert not IncomingEmail.objects.at_desk_of(staff)
    assert not IncomingEmail.objects.not_matched_for(coordinator)
    holds.lift(legal_hold, by=coordinator, at=NOW())
    assert kept() == set()


def make_quiet(conversation):
    session, conversations = lock_session(conversation.help_session)
    unlinking.make_quiet(session, conversations, is_held=holds.held(session), at=NOW())
    session.quiet = True
    session.save()


def test_removing_a_wrong_patron_deletes_only_emails_that_wait_for_staff(
    original, waiting, conversation, patron, staff
):
    wrong_patron.remove_wrong_patron(conversation.help_session, patron, by=staff, at=NOW())
    assert kept() == {""}


def test_merging_two_records_moves_the_emails_and_unmerging_moves_them_back(
    original, waiting, conversation, patron, write, reply_to, coordinator
):
    into = UserFactory(email=None)
    merged = unmerging.merge_for_a_day(patron, into, by=coordinator, at=NOW())
    assert set(IncomingEmail.objects.values_list("person", flat=True)) == {into.pk}
    receive(write("New words", message_id="<new@x>"), at=NOW())
    own = MessageFactory(
        conversation=ConversationFactory(help_session=None, patron=into, branch=conversation.branch)
    ).conversation
    receive(write("Own words", message_id="<own@x>", to=address_for(own, into, at=NOW())), at=NOW())
    person = unmerging.unmerge(merged, by=coordinator, at=NOW())
    owners = dict(IncomingEmail.objects.values_list("message__body", "person"))
    assert owners == {
        "My own words": person.pk,
        None: person.pk,
        "New words": person.pk,
        "Own words": into.pk,
    }


def test_copy_of_a_persons_data_has_the_emails_from_the_person(original, waiting, patron, write, branch):
    stranger = UserFactory()
    session = HelpSessionFactory(branch=branch, patron=stranger)
    theirs = MessageFactory(conversation=ConversationFactory(help_session=session)).conversation
    receive(
        write("Theirs", from_=stranger.email, to=address_for(theirs, stranger, at=NOW()), message_id="<t@x>"),
        at=NOW(),
    )
    receive(write("", message_id="<empty@x>"), at=NOW())
    exports.ask_for(patron, language="en", at=NOW())
    exports.build_exports(at=NOW())
    with (
        Export.objects.get(state="ready").file.open() as file,
        zipfile.ZipFile(io.BytesIO(file.read())) as archive,
    ):
        rows = json.loads(archive.read("data.json"))["incoming_emails"]
        names = [name for name in archive.namelist() if name.startswith("emails/")]
        originals = [archive.read(name) for name in names]
    assert [(row["from"], bool(row["message"])) for row in rows] == [
        ("sam@example.org", True),
        ("sam@example.org", False),
    ]
    assert sorted(row["file"] for row in rows) == sorted(names)
    assert any(b"My own words" in raw for raw in originals)
    assert not any(words in raw for raw in originals for words in (b"Strange words", b"Theirs"))


@pytest.mark.parametrize("email", ["sam@example.org", None])
def test_copy_of_a_persons_data_has_no_emails_from_other_addresses(
    conversation, write, patron, staff, reply_to, email
):
    receive(write("Of a friend", from_="friend@example.org", message_id="<friend@x>"), at=NOW())
    actions.add_to_conversation(IncomingEmail.objects.get(), by=staff, at=NOW())
    receive(write("Nobody", from_="", message_id="<nobody@x>"), at=NOW())
    patron.email = email
    patron.save()
    assert not incoming_emails(patron)
    assert not IncomingEmail.objects.belonging_to(BrowserViewer(patron, ()))


def test_patron_can_open_their_own_email_that_staff_added_to_the_conversation(
    conversation, write, patron, staff
):
    receive(write("Late"), at=NOW() + 91 * DAY)
    email = IncomingEmail.objects.get(reason="expired")
    actions.add_to_conversation(email, by=staff, at=NOW())
    assert list(IncomingEmail.objects.belonging_to(BrowserViewer(patron, ()))) == [email]
    assert list(incoming_emails(patron)) == [email]


# Tests of who sees the emails.


def test_only_the_sender_can_open_an_original_email_on_patron_pages(original, patron, conversation):
    opened = [
        BrowserViewer(patron, ()),
        BrowserViewer(UserFactory(), ()),
        BrowserViewer.who_opened([conversation.help_session.pk], UserFactory()),
        BrowserViewer.who_opened([conversation.help_session.pk], None),
    ]
    seen = [list(IncomingEmail.objects.belonging_to(viewer)) for viewer in opened]
    assert seen == [[original], [], [], []]
    conversation.patron = None
    conversation.save()
    assert not IncomingEmail.objects.belonging_to(BrowserViewer(patron, ()))


def test_staff_can_open_original_emails_only_in_conversations_at_their_branch(original, waiting, staff):
    assert list(IncomingEmail.objects.at_desk_of(staff)) == [original]
    assert not IncomingEmail.objects.at_desk_of(StaffFactory())


def test_only_coordinators_and_the_staff_whom_they_named_see_unmatched_emails(
    original, waiting, write, branch, staff, coordinator
):
    receive(write("Lost", to="reply@library.example", message_id="<lost@x>"), at=NOW())
    lost = IncomingEmail.objects.get(reason="no_address")
    other = BranchFactory()
    elsewhere = StaffFactory(branch=other, branch__role="coordinator")
    named, named_elsewhere = StaffFactory(branch=branch), StaffFactory(branch=other)
    former = UserFactory()
    for person in (named, named_elsewhere, former):
        EmailReader.objects.create(person=person, named_by=coordinator, named_at=NOW())
    seen = {
        person: set(IncomingEmail.objects.not_matched_for(person))
        for person in (coordinator, named, staff, elsewhere, named_elsewhere, former)
    }
    assert seen == {
        coordinator: {waiting, lost},
        named: {waiting, lost},
        staff: set(),
        elsewhere: {lost},
        named_elsewhere: {lost},
        former: set(),
    }


# Tests of stored files and of counts.


def test_stored_original_without_a_row_in_the_database_is_deleted_after_an_hour(
    original, disk, django_capture_on_commit_callbacks
):
    private_storage().save("incoming/00/stray.eml", ContentFile(b"x"))
    forget_stray_originals(at=NOW())
    assert len(disk()) == 2
    forget_stray_originals(at=NOW() + timedelta(hours=2))
    assert disk() == [original.file.name]


def test_originals_of_unmatched_emails_have_a_size_limit(write, conversation, monkeypatch, disk):
    raw = write(from_="stranger@example.org", message_id="<1@x>")
    size = len(without_tokens_in_bytes(raw))
    monkeypatch.setattr("portal.incoming.originals.MAX_NOT_MATCHED_BYTES", size)
    receive(raw, at=NOW())
    receive(write(from_="stranger@example.org", message_id="<2@x>"), at=NOW())
    assert list(IncomingEmail.objects.order_by("pk").values_list("size", flat=True)) == [size, 0]
    assert len(disk()) == 1


def test_originals_of_emails_without_a_reply_address_have_a_separate_size_limit(
    write, conversation, monkeypatch, disk
):
    def unknown(number):
        return write(to="reply@library.example", message_id=f"<{number}@x>")

    def from_stranger(number):
        return write(from_="stranger@example.org", message_id=f"<{number}@x>")

    monkeypatch.setattr("portal.incoming.originals.MAX_NO_ADDRESS_BYTES", len(unknown(1)))
    monkeypatch.setattr("portal.incoming.originals.MAX_NOT_MATCHED_BYTES", len(from_stranger(1)))
    for raw in (unknown(1), unknown(2), from_stranger(3), from_stranger(4)):
        receive(raw, at=NOW())
    sizes = IncomingEmail.objects.order_by("pk").values_list("size", flat=True)
    # The stored file is not the same size as the email, because the token of the reply address is removed.
    kept = len(without_tokens_in_bytes(from_stranger(3)))
    assert list(sizes) == [len(unknown(1)), 0, kept, 0]
    assert len(disk()) == 2


def test_large_email_without_a_reply_address_is_stored_only_as_text(write, conversation, disk):
    file = [("a.bin", "application/octet-stream", b"x" * 1024 * 1024)]
    receive(write("Hello " * 100, to="reply@library.example", files=file), at=NOW())
    email = IncomingEmail.objects.get()
    assert (email.size, len(email.text), disk()) == (0, 599, [])


@pytest.mark.parametrize(
    ("to", "sender"), [("x@y.example", None), (None, "stranger@example.org"), (None, None)]
)
def test_original_is_not_stored_if_only_the_beginning_of_a_large_email_was_read(
    write, conversation, patron, reply_to, disk, to, sender
):
    raw = write(to=to or reply_to, from_=sender or patron.email)
    receive(raw, at=NOW(), is_cut=True)
    email = IncomingEmail.objects.get()
    assert (email.size, email.file.name, disk()) == (0, "", [])


def test_email_is_accepted_without_its_original_if_the_disk_is_full(write, conversation, monkeypatch):
    def full(*_args, **_options):
        raise OSError("no space left on device")

    monkeypatch.setattr("django.core.files.storage.FileSystemStorage.save", full)
    receive(write("Yes"), at=NOW())
    email = IncomingEmail.objects.get()
    assert (email.message.body, email.file.name, email.size) == ("Yes", "", 0)


def test_counts_of_dropped_emails_are_deleted_after_90_days():
    for days in (89, 91):
        DroppedEmails.objects.create(day=(NOW() - days * DAY).date(), kind="list", count=1)
    forget_dropped_emails(at=NOW())
    assert DroppedEmails.objects.count() == 1


@pytest.mark.parametrize("encoding", ["base64", "quoted-printable", "8bit"])
def test_stored_original_contains_no_token_of_a_reply_address_in_any_encoding(
    write, conversation, reply_to, encoding
):
    email = EmailMessage()
    email["From"], email["To"], email["Message-ID"] = "sam@example.org", reply_to, "<coded@x>"
    email.set_content(f"Thanks! My own words.\n\nTo: {reply_to}\n", cte=encoding)
    email.add_alternative(f"<p>Thanks!</p><a href='mailto:{reply_to}'>", subtype="html", cte=encoding)
    assert receive(email.as_bytes(), at=NOW()).name == "MESSAGE"
    stored = message_from_bytes(originals.content(IncomingEmail.objects.get()), policy=default)
    texts = [part.get_content() for part in stored.walk() if not part.is_multipart()]
    assert ["My own words" in text or "Thanks" in text for text in texts] == [True, True]
    token = reply_to.partition("+")[2].partition("@")[0]
    assert [token in text for text in [*texts, str(stored["To"])]] == [False, False, False]


def test_original_email_is_stored_unchanged_if_its_base64_text_has_no_reply_token(
    write, conversation, reply_to
):
    raw = write("Grüße " * 30, message_id="<plain@x>")
    assert b"base64" in raw
    receive(raw, at=NOW())
    assert originals.content(IncomingEmail.objects.get()) == raw.replace(
        reply_to.encode(), b"reply@library.example"
    )


def test_original_whose_base64_text_cannot_be_read_is_not_stored(write, conversation, disk, monkeypatch):
    monkeypatch.setattr(originals, "_without_tokens_in_base64", _fail)
    assert receive(write("Grüße " * 30), at=NOW()).name == "MESSAGE"
    assert disk() == []


def _fail(_raw):
    raise RecursionError
