"""Test what happens to an email that somebody sends to a reply address."""

from datetime import timedelta

import pytest
from allauth.account.models import EmailAddress
from django.utils import timezone

from portal.conversations import actions, desk_actions, drafts, merging
from portal.conversations.models import Attachment, Draft, Message
from portal.conversations.reply_addresses import address_for
from portal.incoming import polite_replies
from portal.incoming.actions import MAX_BYTES, CannotAdd, Outcome, add_to_conversation, receive
from portal.incoming.models import DroppedEmails, IncomingEmail
from portal.incoming.originals import content
from portal.limits import TooOften
from portal.notifications.models import Notification
from portal.privacy.merging import merge_people
from tests.factories import (
    ConversationFactory,
    HelpSessionFactory,
    MessageFactory,
    QuietSessionFactory,
    UserFactory,
    pdf_file,
    picture_file,
)

pytestmark = pytest.mark.django_db
NOW = timezone.now


def texts(conversation):
    return list(conversation.messages.in_order().values_list("body", flat=True))


def reasons():
    return list(IncomingEmail.objects.not_matched().values_list("reason", flat=True))


def dropped():
    return dict(DroppedEmails.objects.values_list("kind", "count"))


def test_email_from_the_patron_becomes_a_message_from_the_patron(conversation, write, patron, disk, reply_to):
    raw = write()
    assert receive(raw, at=NOW()) == Outcome.MESSAGE
    message = conversation.messages.in_order().last()
    assert (message.body, message.side, message.author) == ("Yes, that helped.", "patron", patron)
    assert (message.by_email, message.by_link, message.left_out) == ("own", False, [])
    original = message.incoming_email
    assert (original.reason, original.sender, original.person) == ("", "sam@example.org", patron)
    stored = raw.replace(reply_to.encode(), b"reply@library.example")
    assert (original.text, original.conversation, original.size) == ("", None, len(stored))
    assert content(original) == stored
    assert disk() == [original.file.name]


def test_reply_address_in_capital_letters_works(conversation, write, reply_to):
    assert receive(write(to=reply_to.upper()), at=NOW()) == Outcome.MESSAGE


def test_envelope_recipient_takes_precedence_over_the_headers(conversation, write, reply_to):
    raw = write(to="friends@list.example")
    assert receive(raw, at=NOW(), recipient=reply_to) == Outcome.MESSAGE


def test_email_received_twice_is_saved_once(conversation, write):
    receive(write("Yes"), at=NOW())
    assert receive(write("Yes"), at=NOW()) == Outcome.DROPPED
    assert (texts(conversation)[1:], dropped()) == (["Yes"], {"again": 1})


def test_email_received_twice_is_saved_once_even_without_a_message_id(conversation, write):
    receive(write("Yes", message_id=""), at=NOW())
    receive(write("No", message_id=""), at=NOW())
    assert receive(write("Yes", message_id=""), at=NOW()) == Outcome.DROPPED
    assert texts(conversation)[1:] == ["Yes", "No"]


def test_email_received_again_is_saved_once_even_after_a_secret_key_change(conversation, write, settings):
    receive(write(), at=NOW())
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another key that is long enough for everything here"
    assert receive(write(), at=NOW()) == Outcome.DROPPED


def test_email_reopens_a_closed_conversation(conversation, write, staff):
    actions.close(conversation, by=staff, side="staff", at=NOW())
    receive(write(), at=NOW())
    conversation.refresh_from_db()
    assert conversation.status == "waiting_for_staff"
    assert list(conversation.events.values_list("kind", flat=True)) == ["closed", "reopened"]


def test_email_to_a_merged_conversation_is_added_to_the_remaining_conversation(
    conversation, write, patron, branch, staff
):
    into = MessageFactory(
        conversation=ConversationFactory(help_session=None, patron=patron, branch=branch)
    ).conversation
    merging.merge(conversation, into=into, by=staff, at=NOW())
    receive(write(), at=NOW())
    assert texts(into)[-1] == "Yes, that helped."


def test_email_from_a_merged_record_has_the_remaining_record_as_author(conversation, write, patron):
    into = UserFactory(email=None)
    merge_people(patron, into, by=into, at=NOW())
    assert receive(write(), at=NOW()) == Outcome.MESSAGE
    assert conversation.messages.in_order().last().author == into


def test_email_does_not_delete_the_patrons_draft(conversation, write, patron, reply_to):
    token = "0f3c1b1e-5a61-4f0e-8a9c-3b8d1d6a7f10"
    where = {"person": patron, "side": "patron", "kind": Draft.Kind.REPLY}
    drafts.save_draft(
        conversation, client_token=token, sequence=1, body="I also", language="en", at=NOW(), **where
    )
    receive(write(files=[("a.pdf", "application/pdf", b"%PDF-1.4")]), at=NOW())
    assert list(Draft.objects.values_list("body", flat=True)) == ["I also"]


# Tests of emails that are not matched.


@pytest.mark.parametrize(
    "sender", ["stranger@example.org", "sam@example.org, b@example.org", "sam@example.org, b", "", "Sam"]
)
def test_email_from_another_sender_waits_for_staff(conversation, write, patron, sender):
    assert receive(write("It is me", from_=sender), at=NOW()) == Outcome.NOT_MATCHED
    [email] = IncomingEmail.objects.not_matched()
    assert (email.reason, email.text) == ("other_sender", "It is me")
    assert (email.conversation, email.person, len(texts(conversation))) == (conversation, patron, 1)


def test_email_from_an_unconfirmed_address_waits_for_staff(conversation, write, patron):
    EmailAddress.objects.create(user=patron, email=patron.email, verified=False)
    receive(write(), at=NOW())
    assert (reasons(), len(texts(conversation))) == (["not_confirmed"], 1)


def test_email_to_an_expired_reply_address_waits_for_staff(conversation, write):
    assert receive(write(message_id="<1@x>"), at=NOW() + timedelta(days=90)) == Outcome.MESSAGE
    receive(write(message_id="<2@x>"), at=NOW() + timedelta(days=91))
    assert reasons() == ["expired"]


@pytest.mark.parametrize(
    "to", ["reply@library.example", "reply+abcdefgh@library.example", "other@library.example", "x"]
)
def test_email_to_an_unknown_address_waits_for_staff(conversation, write, to):
    assert receive(write("Hello", to=to), at=NOW()) == Outcome.NOT_MATCHED
    [email] = IncomingEmail.objects.not_matched()
    assert (email.reason, email.text, email.sender) == ("no_address", "Hello", "sam@example.org")
    assert (email.conversation, email.person) == (None, None)


def test_email_to_an_altered_reply_address_waits_for_staff(conversation, write, reply_to):
    for number, place in enumerate((len("reply+"), reply_to.index("@") - 1)):
        letter = "b" if reply_to[place] == "a" else "a"
        changed = reply_to[:place] + letter + reply_to[place + 1 :]
        receive(write(to=changed, message_id=f"<{number}@x>"), at=NOW())
    assert (len(texts(conversation)), reasons()) == (1, ["no_address"] * 2)


def test_only_the_time_of_an_email_to_an_erased_conversation_is_stored(conversation, write, staff, disk):
    desk_actions.erase(conversation, by=staff, at=NOW())
    assert receive(write("My secret"), at=NOW()) == Outcome.NOT_MATCHED
    [email] = IncomingEmail.objects.all()
    assert (email.reason, email.sender, email.subject, email.text) == ("erased", "", "", "")
    assert (email.person, email.conversation, email.message_id_hmac, email.file.name) == (
        None,
        None,
        None,
        "",
    )
    assert disk() == []


def test_only_the_time_of_an_email_about_a_quiet_visit_is_stored(branch, patron, write):
    quiet = MessageFactory(
        conversation=ConversationFactory(help_session=QuietSessionFactory(branch=branch)), author=None
    ).conversation
    receive(write("My secret", to=address_for(quiet, patron, at=NOW())), at=NOW())
    [email] = IncomingEmail.objects.all()
    assert (email.reason, email.person, email.text, len(texts(quiet))) == ("erased", None, "", 1)


def test_email_waits_for_staff_if_the_patron_no_longer_has_the_conversation(conversation, write, patron):
    conversation.patron = None
    conversation.save()
    receive(write(), at=NOW())
    [email] = IncomingEmail.objects.all()
    assert (email.reason, email.person, email.conversation) == ("no_access", patron, conversation)


def test_patron_cannot_send_email_to_a_strangers_conversation(conversation, write, patron, branch):
    stranger = UserFactory()
    theirs = MessageFactory(
        conversation=ConversationFactory(help_session=HelpSessionFactory(branch=branch, patron=stranger))
    ).conversation
    receive(write(to=address_for(theirs, patron, at=NOW())), at=NOW())
    assert (reasons(), len(texts(theirs)), len(texts(conversation))) == (["no_access"], 1, 1)


def test_erasing_a_conversation_deletes_emails_that_wait_for_staff(
    conversation, write, staff, disk, django_capture_on_commit_callbacks
):
    receive(write(from_="stranger@example.org"), at=NOW())
    assert len(disk()) == 1
    with django_capture_on_commit_callbacks(execute=True):
        desk_actions.erase(conversation, by=staff, at=NOW())
    assert (IncomingEmail.objects.count(), disk()) == (0, [])


def test_erasing_a_conversation_deletes_its_original_emails(
    conversation, write, staff, disk, django_capture_on_commit_callbacks
):
    receive(write(), at=NOW())
    with django_capture_on_commit_callbacks(execute=True):
        desk_actions.erase(conversation, by=staff, at=NOW())
    assert (IncomingEmail.objects.count(), disk()) == (0, [])


# Tests of emails that staff add to conversations.


def test_staff_can_add_an_email_from_another_address_to_the_conversation(conversation, write, patron, staff):
    pdf = ("form.pdf", "application/pdf", pdf_file().read())
    receive(write("It is me, from work", from_="sam@work.example", files=[pdf]), at=NOW())
    email = IncomingEmail.objects.get()
    message = add_to_conversation(email, by=staff, at=NOW())
    assert (message.body, message.author, message.by_email) == ("It is me, from work", patron, "added")
    assert message.attachments.get().name == "form.pdf"
    email.refresh_from_db()
    assert (email.reason, email.text, email.message, email.added_by) == ("", "", message, staff)
    assert (email.sender, email.conversation) == ("sam@work.example", None)
    patron.refresh_from_db()
    assert patron.email == "sam@example.org"


def test_email_cannot_be_added_twice(conversation, write, staff):
    receive(write(from_="sam@work.example"), at=NOW())
    email = IncomingEmail.objects.get()
    add_to_conversation(email, by=staff, at=NOW())
    with pytest.raises(CannotAdd):
        add_to_conversation(
            IncomingEmail(
                pk=email.pk,
                public_id=email.public_id,
                message_id_hmac=email.message_id_hmac,
                conversation=conversation,
                person=conversation.patron,
                text="x",
            ),
            by=staff,
            at=NOW(),
        )
    assert len(texts(conversation)) == 2


def test_staff_cannot_add_an_email_if_the_patron_no_longer_has_the_visit(conversation, write, staff):
    receive(write(from_="sam@work.example"), at=NOW())
    conversation.patron = None
    conversation.save()
    with pytest.raises(CannotAdd):
        add_to_conversation(IncomingEmail.objects.get(), by=staff, at=NOW())
    assert len(texts(conversation)) == 1


# Tests of files.


def test_allowed_files_are_attached_and_the_patron_is_emailed_about_refused_files(
    conversation, write, patron
):
    files = [
        ("shelf.jpg", "image/jpeg", picture_file().read()),
        ("form.pdf", "application/pdf", pdf_file().read()),
        ("essay.docx", "application/vnd.openxmlformats", b"PK\x03\x04 a text"),
        ("empty.png", "image/png", b""),
    ]
    receive(write("Here they are", files=files), at=NOW())
    message = conversation.messages.in_order().last()
    assert [file.name for file in message.attachments.all()] == ["shelf.jpg", "form.pdf"]
    assert message.left_out == [["essay.docx", "unknown"], ["empty.png", "empty"]]
    assert Attachment.objects.filter(message=None).count() == 0
    email = Notification.objects.get(kind="incoming/not_read")
    assert (email.to_address, email.recipient) == ("sam@example.org", patron)
    for name, advice in [
        ("essay.docx", "PDFs. Try a screenshot"),
        ("empty.png", "Choose another"),
    ]:
        assert f"{name}: " in email.text
        assert advice in email.text
        assert name in email.html
        assert advice in email.html


def test_email_with_only_a_file_becomes_a_message_that_mentions_the_file(conversation, write, patron):
    patron.language = "es"
    patron.save()
    receive(write(None, files=[("a.pdf", "application/pdf", pdf_file().read())]), at=NOW())
    message = conversation.messages.in_order().last()
    assert (message.body, message.language) == ("Vea el archivo adjunto.", "es")


def test_small_inline_pictures_of_a_signature_are_not_attached(conversation, write):
    html = b'<p>Yes</p><img src="cid:logo">'
    logo = picture_file(size=(8, 8)).read()
    raw = (
        b"From: sam@example.org\r\nTo: %s\r\nMessage-ID: <s@x>\r\nMIME-Version: 1.0\r\n"
        b"Content-Type: multipart/related; boundary=b\r\n\r\n--b\r\nContent-Type: text/html\r\n\r\n%s\r\n"
        b"--b\r\nContent-Type: image/jpeg; name=logo.jpg\r\nContent-ID: <logo>\r\n"
        b"Content-Disposition: inline\r\n\r\n%s\r\n--b--\r\n"
    )
    to = address_for(conversation, conversation.patron, at=NOW()).encode()
    assert receive(raw % (to, html, logo), at=NOW()) == Outcome.MESSAGE
    message = conversation.messages.in_order().last()
    assert (message.body, message.attachments.count(), message.left_out) == ("Yes", 0, [])


# Tests of emails that can't be read.


def test_patron_who_sends_empty_emails_gets_one_reply_a_day(conversation, write):
    at = NOW()
    for number, hours in enumerate([0, 1, 23.9, 24.1]):
        receive(
            write("> Write your answer above this line.\n", message_id=f"<{number}@x>"),
            at=at + timedelta(hours=hours),
        )
    assert (reasons(), len(texts(conversation))) == (["empty"] * 4, 1)
    emails = Notification.objects.filter(kind="incoming/not_read").order_by("created_at")
    assert [email.to_address for email in emails] == ["sam@example.org"] * 2
    assert [email.created_at for email in emails] == [at, at + timedelta(hours=24.1)]
    assert "has no text" in emails[0].text


def test_patrons_who_have_died_or_have_no_confirmed_address_get_no_reply(conversation, patron):
    patron.died_at = NOW()
    patron.save()
    polite_replies.reply_to(patron, conversation=conversation, reason="empty", at=NOW())
    patron.died_at = None
    patron.save()
    EmailAddress.objects.create(user=patron, email=patron.email, verified=False)
    polite_replies.reply_to(patron, conversation=conversation, reason="empty", at=NOW())
    assert not Notification.objects.exists()


@pytest.mark.parametrize("sender", ["stranger@example.org", ""])
def test_empty_email_from_another_sender_gets_no_reply(conversation, write, sender):
    receive(write("", from_=sender), at=NOW())
    assert not Notification.objects.exists()


def test_readable_text_of_an_email_in_an_unknown_charset_is_stored(conversation, reply_to):
    raw = (
        f"From: sam@example.org\r\nTo: {reply_to}\r\nMessage-ID: <c@x>\r\n"
        "Content-Type: text/plain; charset=klingon\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
    ).encode() + "Señora, no".encode("latin-1")
    receive(raw, at=NOW())
    [email] = IncomingEmail.objects.not_matched()
    assert (email.reason, email.text) == ("unreadable", "Se�ora, no")
    assert "can't read it" in Notification.objects.get().text


@pytest.mark.parametrize("boundary", ["", "; boundary=other"])
def test_email_whose_parts_cannot_be_separated_is_listed_as_unreadable(conversation, reply_to, boundary):
    raw = (
        f"From: sam@example.org\r\nTo: {reply_to}\r\nMessage-ID: <d@x>\r\nMIME-Version: 1.0\r\n"
        f"Content-Type: multipart/mixed{boundary}\r\n\r\n"
        "--b\r\nContent-Type: text/plain\r\n\r\nYes, please.\r\n--b--\r\n"
    ).encode()
    assert receive(raw, at=NOW()) == Outcome.NOT_MATCHED
    [email] = IncomingEmail.objects.not_matched()
    assert (email.reason, len(texts(conversation))) == ("unreadable", 1)
    assert "Yes, please." in email.text


def test_utf8_text_with_a_wrong_charset_is_decoded(conversation, reply_to):
    raw = (
        f"From: sam@example.org\r\nTo: {reply_to}\r\n"
        "Content-Type: text/plain; charset=us-ascii\r\nContent-Transfer-Encoding: 8bit\r\n\r\nSí, señora"
    ).encode()
    receive(raw, at=NOW())
    assert texts(conversation)[-1] == "Sí, señora"


def test_too_large_email_is_listed_for_staff_without_its_content(conversation, write, disk):
    raw = write("Here is my novel")
    receive(raw + b"x" * (MAX_BYTES + 1 - len(raw)), at=NOW())
    [email] = IncomingEmail.objects.not_matched()
    assert (email.reason, email.sender, email.size, disk()) == ("too_large", "sam@example.org", 0, [])
    assert "too large" in Notification.objects.get().text


def test_encrypted_email_is_listed_as_unreadable(conversation, reply_to):
    raw = (
        f"From: sam@example.org\r\nTo: {reply_to}\r\nMIME-Version: 1.0\r\n"
        'Content-Type: multipart/encrypted; boundary=b; protocol="application/pgp-encrypted"\r\n\r\n'
        "--b\r\nContent-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n--b--\r\n"
    ).encode()
    receive(raw, at=NOW())
    assert reasons() == ["unreadable"]


@pytest.mark.only_long
def test_number_of_emails_from_one_patron_is_limited(conversation, write):
    for number in range(300):
        receive(write(f"{number}", message_id=f"<{number}@x>"), at=NOW())
    with pytest.raises(TooOften):
        receive(write("one more", message_id="<300@x>"), at=NOW())
    assert Message.objects.filter(by_email="own").count() == 300
