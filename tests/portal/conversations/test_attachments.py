"""Test pictures and PDFs in a patron's conversation: sending, refusing, limits, access and deletion."""

import datetime
import io
import os
import re
import uuid

import pytest
from django.core.files.storage import storages
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.files.uploadhandler import TemporaryFileUploadHandler
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from PIL import Image

from portal.conversations import actions, attachments, desk_actions, keeping, merging
from portal.conversations.models import Attachment, Conversation, Draft, Message
from portal.helpsessions.models import HelpSession
from portal.jobs import JOBS
from portal.uploads import MAX_FILE_BYTES
from tests.extent import times
from tests.factories import (
    ConversationFactory,
    HelpSessionFactory,
    MessageFactory,
    attach_to,
    code_for,
    pdf_file,
    picture_file,
)
from tests.portal.pages import text
from tests.processes import rounds

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


@pytest.fixture(autouse=True)
def disk(tmp_path, monkeypatch):
    monkeypatch.setitem(storages["private"].__dict__, "location", str(tmp_path))

    def disk():
        return sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file())

    return disk


@pytest.fixture
def conversation(branch, staff, patron):
    session = HelpSessionFactory(
        branch=branch, staff=staff, patron=patron, kept_at=timezone.now(), handed_over_at=timezone.now()
    )
    return MessageFactory(conversation=ConversationFactory(help_session=session)).conversation


@pytest.fixture
def me(client, sign_in, patron):
    return sign_in(client, patron)


@pytest.fixture
def token():
    return uuid.uuid4()


def attach(browser, conversation, token, *files, **fields):
    """Upload each file in its own request, as attach.js does."""
    for file in files:
        answer = browser.post(
            reverse("attach", args=[conversation.public_id]),
            {"client_token": token, "files": file, **fields},
            headers=HTMX,
        )
    return answer


def address(attachment):
    return reverse("attachment", args=[attachment.conversation.public_id, attachment.public_id])


def reply(browser, conversation, token, body="Here it is.", **fields):
    return browser.post(
        reverse("reply", args=[conversation.public_id]), {"client_token": token, "body": body, **fields}
    )


# Tests of adding, showing and sending files.


def test_picture_and_its_description_are_sent_with_the_message(me, conversation, token, patron):
    answer = attach(me, conversation, token, picture_file("../../My shelf\u202e.JPG"))
    added = Attachment.objects.get()
    assert answer.status_code == 200
    assert re.search(rf'name="take_out"\s+value="{added.public_id}"', answer.content.decode())
    assert (added.message, added.added_by, added.side, added.name, added.width, added.height) == (
        None,
        patron,
        "patron",
        "My shelf.JPG",
        120,
        80,
    )
    assert me.get(conversation.get_absolute_url()).content.decode().count(f"{address(added)}?size=soft") == 1
    reply(me, conversation, token, **{f"alt-{added.public_id}": "Three\x00 shelves"})
    message = Message.objects.get(client_token=token)
    added.refresh_from_db()
    assert (added.message, added.alt) == (message, "Three shelves")
    page = " ".join(me.get(conversation.get_absolute_url()).content.decode().split())
    picture = (
        f'<img src="{address(added)}?size=small" alt="Three shelves" width="120" height="80" loading="lazy"'
    )
    assert picture in page
    assert f'<a href="{address(added)}" class="late" aria-label="Three shelves">' in page
    # The composer no longer lists the sent file.
    assert f'value="{added.public_id}"' not in page


@pytest.mark.few_cases
@pytest.mark.parametrize("by_script", [True, False])
@pytest.mark.parametrize(
    ("count", "language", "words"),
    [
        (1, "en", "See the attached file."),
        (2, "en", "See the 2 attached files."),
        (2, "es", "Vea los 2 archivos adjuntos."),
    ],
)
def test_files_can_be_sent_without_a_text(me, patron, conversation, token, by_script, count, language, words):
    type(patron).objects.filter(pk=patron.pk).update(language=language)
    files = [picture_file(f"shelf-{n}.jpg", size=(100 + n, 80)) for n in range(count)]
    if by_script:
        attach(me, conversation, token, *files)
        sent = reply(me, conversation, token, body=" ")
    else:
        sent = reply(me, conversation, token, body=" ", files=files)
    assert sent.status_code == 302
    message = Message.objects.get(client_token=token)
    assert (message.body, message.attachments.count()) == (words, count)
    # A double tap without JavaScript sends the form twice.
    assert reply(me, conversation, token, body=" ").status_code == 302
    assert Message.objects.filter(client_token=token).count() == 1


def test_message_without_text_or_files_is_a_form_error(me, conversation, token):
    attach(me, conversation, uuid.uuid4(), picture_file())
    assert "Write your message first." in text(reply(me, conversation, token, body=" "))
    assert not Message.objects.filter(client_token=token).exists()


def test_alt_text_of_a_picture_without_a_description_contains_its_file_name(me, conversation):
    attach_to(conversation.messages.get(), picture_file("shelf.jpg"))
    assert (
        'alt="Picture without a description: shelf.jpg"'
        in me.get(conversation.get_absolute_url()).content.decode()
    )


def test_unsent_file_appears_with_the_draft_on_another_device(me, conversation, token, sign_in, patron):
    attach(me, conversation, token, picture_file())
    other = sign_in(Client(), patron)
    page = other.get(conversation.get_absolute_url()).content.decode()
    assert str(token) in page
    assert address(Attachment.objects.get()) in page


def test_picture_description_is_saved_while_it_is_typed(me, conversation, token):
    attach(me, conversation, token, picture_file())
    added = Attachment.objects.get()
    assert (
        me.post(
            reverse("attach", args=[conversation.public_id]),
            {"client_token": token, f"alt-{added.public_id}": "A" * 400},
            headers=HTMX,
        ).status_code
        == 200
    )
    added.refresh_from_db()
    assert added.alt == "A" * 299 + "…"
    assert f'value="{added.alt}"' in me.get(conversation.get_absolute_url()).content.decode()


def test_removed_picture_and_its_preview_are_deleted_from_disk(
    me, conversation, token, disk, django_capture_on_commit_callbacks
):
    attach(me, conversation, token, picture_file(), pdf_file())
    picture, pdf = Attachment.objects.all()
    assert disk() == sorted([picture.file.name, picture.preview.name, pdf.file.name])
    with django_capture_on_commit_callbacks(execute=True):
        me.post(
            reverse("attach", args=[conversation.public_id]),
            {"client_token": token, "take_out": picture.public_id},
            headers=HTMX,
        )
    assert list(Attachment.objects.all()) == [pdf]
    assert disk() == [pdf.file.name]


def test_patron_cannot_remove_a_sent_picture_or_change_its_description(me, conversation, token):
    attach(me, conversation, token, picture_file())
    reply(me, conversation, token)
    sent = Attachment.objects.get()
    me.post(
        reverse("attach", args=[conversation.public_id]),
        {"client_token": token, "take_out": sent.public_id, f"alt-{sent.public_id}": "other"},
        headers=HTMX,
    )
    assert Attachment.objects.get().alt == ""


def test_same_file_uploaded_twice_is_stored_once(me, conversation, token, disk):
    attach(me, conversation, token, picture_file(), picture_file())
    assert Attachment.objects.count() == 1
    assert len(disk()) == 2


def test_page_without_javascript_shows_why_a_file_is_refused_and_keeps_the_typed_text(
    me, conversation, token
):
    fields = {"client_token": token, "body": "See this", "files": SimpleUploadedFile("page.png", b"<html>")}
    page = me.post(reverse("attach", args=[conversation.public_id]), fields, follow=True).content.decode()
    assert "page.png: You can only send pictures" in page
    assert ">\nSee this</textarea>" in page


def test_upload_with_an_invalid_token_is_refused(me, conversation, disk):
    assert attach(me, conversation, "nonsense", picture_file()).status_code == 422
    assert disk() == []


def test_description_of_an_unknown_file_is_ignored(me, conversation, token):
    attach(me, conversation, token, picture_file())
    assert attach(me, conversation, token, picture_file(), **{"alt-nonsense": "words"}).status_code == 200
    assert Attachment.objects.get().alt == ""


def test_file_uploaded_after_its_message_was_sent_is_refused(me, conversation, token, disk):
    reply(me, conversation, token)
    assert "The message was already sent" in attach(me, conversation, token, picture_file()).content.decode()
    assert disk() == []


# Tests of refused files.


@pytest.mark.few_cases
@pytest.mark.slow
@pytest.mark.parametrize(("file", "words"), [
    (lambda: SimpleUploadedFile("page.png", b"<html><script>alert(1)</script>"), "You can only send pictures (JPEG, PNG, WebP) and PDFs."),
    (lambda: SimpleUploadedFile("none.jpg", b""), "This file is empty."),
    (lambda: SimpleUploadedFile("cut.jpg", picture_file(size=(300, 200)).read()[:800]), "This picture is damaged"),
    (lambda: picture_file(size=(10_000, 10_000)), "This picture is too large to open."),
    (lambda: SimpleUploadedFile("long.pdf", b"%PDF-" + b"x" * MAX_FILE_BYTES), "This file is larger than 10 MB."),
])  # fmt: skip
@pytest.mark.parametrize("by_script", [True, False])
def test_page_shows_why_a_file_is_refused_and_keeps_the_typed_text_and_the_other_files(
    me, conversation, token, disk, file, words, by_script
):
    if by_script:
        page = attach(me, conversation, token, file()).content.decode()
    else:
        page = me.post(
            reverse("reply", args=[conversation.public_id]),
            {"client_token": token, "body": "My words.", "files": [file(), pdf_file()]},
        ).content.decode()
        assert "My words." in page
        assert str(token) in page
        # The valid PDF is stored and is still in the form.
        assert Attachment.objects.get().name in page
        assert Message.objects.filter(client_token=token).count() == 0
        assert len(disk()) == 1
    assert words in page
    assert Attachment.objects.filter(kind="picture").count() == 0


def test_form_without_javascript_sends_its_files_with_the_message(me, conversation, token):
    answer = reply(me, conversation, token, files=[picture_file(), pdf_file()])
    assert answer.status_code == 302
    assert Message.objects.get(client_token=token).attachments.count() == 2


def test_form_posted_twice_sends_its_files_once(me, conversation, token):
    for _ in range(2):
        reply(me, conversation, token, files=[picture_file(), pdf_file()])
    assert Message.objects.get(client_token=token).attachments.count() == Attachment.objects.count() == 2


def test_uploaded_files_stay_in_the_form_if_the_message_is_invalid(me, conversation, token):
    answer = reply(me, conversation, token, body="x" * 5001, files=[picture_file()])
    assert answer.status_code == 422
    added = Attachment.objects.get()
    assert (added.message, added.client_token) == (None, token)
    assert address(added) in answer.content.decode()


def test_removing_a_file_without_javascript_keeps_the_typed_text(me, conversation, token, patron):
    attach(me, conversation, token, picture_file())
    added = Attachment.objects.get()
    answer = me.post(
        reverse("attach", args=[conversation.public_id]),
        {"client_token": token, "body": "Half a sent", "sequence": 0, "take_out": added.public_id},
    )
    assert answer.url == f"{conversation.get_absolute_url()}#write"
    assert Draft.objects.get(person=patron).body == "Half a sent"
    page = me.get(conversation.get_absolute_url()).content.decode()
    assert "Half a sent" in page
    assert address(added) not in page


def test_upload_to_a_full_disk_shows_an_error_and_stores_no_part_of_the_file(
    me, conversation, token, disk, monkeypatch
):
    real = storages["private"]._save

    def full(name, content):
        real(name, content)
        if "preview" in name:
            raise OSError(28, "No space left on device")
        return name

    monkeypatch.setattr(storages["private"], "_save", full)
    answer = reply(me, conversation, token, body="My words.", files=[picture_file()])
    assert "store files right now. Your text is safe." in answer.content.decode()
    assert "My words." in answer.content.decode()
    assert (Attachment.objects.count(), disk()) == (0, [])


def test_message_text_is_kept_if_the_disk_is_full_during_an_upload(
    me, conversation, token, settings, monkeypatch
):
    # With the value 0, Django writes every upload to disk.
    settings.FILE_UPLOAD_MAX_MEMORY_SIZE = 0

    def full(self, raw_data, start):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(TemporaryFileUploadHandler, "receive_data_chunk", full)
    answer = reply(me, conversation, token, body="My words.", files=[picture_file()])
    assert "store files right now" in answer.content.decode()
    assert "My words." in answer.content.decode()


def test_files_that_do_not_fit_in_memory_are_stored_completely(me, conversation, token, settings, tmp_path):
    settings.FILE_UPLOAD_MAX_MEMORY_SIZE = 0
    reply(
        me,
        conversation,
        token,
        files=[pdf_file(f"{n}.pdf", b"%PDF-1.4 " + bytes([n]) * 300_000) for n in range(3)],
    )
    assert [(tmp_path / a.file.name).read_bytes()[9:] for a in Attachment.objects.order_by("pk")] == [
        bytes([n]) * 300_000 for n in range(3)
    ]


# Tests of limits.


def test_message_can_have_up_to_ten_files(me, conversation, token):
    answer = reply(me, conversation, token, body="", files=[pdf_file(f"{n}.pdf") for n in range(12)])
    assert Attachment.objects.count() == 10
    assert answer.content.decode().count("A message can have up to 10 files.") == 2
    assert (
        "A message can have up to 10 files."
        in attach(me, conversation, token, picture_file()).content.decode()
    )
    assert Attachment.objects.count() == 10


def test_patron_cannot_store_more_files_than_their_file_space_allows(
    me, conversation, token, patron, monkeypatch, disk
):
    attach(me, conversation, token, picture_file())
    size = Attachment.objects.get().size
    monkeypatch.setattr(attachments, "MAX_BYTES_PER_PATRON", size + 1000)
    elsewhere = MessageFactory(
        conversation=ConversationFactory(help_session=conversation.help_session)
    ).conversation
    answer = attach(me, elsewhere, uuid.uuid4(), pdf_file(content=b"%PDF-" + b"x" * 996))
    assert "You have used all your space for files." in answer.content.decode()
    attach(me, elsewhere, uuid.uuid4(), pdf_file(content=b"%PDF-" + b"x" * 995))
    assert Attachment.objects.count() == 2
    assert len(disk()) == 3


def test_viewers_with_only_a_code_have_limited_file_space_per_conversation(
    client, show_code, branch, monkeypatch, token
):
    session = HelpSessionFactory(branch=branch, handed_over_at=timezone.now())
    one, two = (
        MessageFactory(conversation=ConversationFactory(help_session=session)).conversation for _ in range(2)
    )
    show_code(client, code_for(session))
    monkeypatch.setattr(attachments, "MAX_BYTES_BY_CODE", 1500)
    attach(client, one, token, pdf_file(content=b"%PDF-" + b"x" * 1000))
    assert (
        "This conversation has no more space for files."
        in attach(client, one, token, pdf_file("b.pdf", b"%PDF-" + b"x" * 1000)).content.decode()
    )
    attach(client, two, token, pdf_file(content=b"%PDF-" + b"x" * 1000))
    assert [a.conversation for a in Attachment.objects.order_by("pk")] == [one, two]


@pytest.mark.few_cases
@pytest.mark.parametrize(("name", "length", "status"), [
    ("attach", 11 * 1024 * 1024 + 1, 413),
    ("attach", 11 * 1024 * 1024, 403),
    ("reply", 50 * 1024 * 1024 + 1, 413),
    ("reply", 50 * 1024 * 1024, 403),
    ("close_conversation", 7 * 1024 * 1024, 413),
    ("conversation_draft", 7 * 1024 * 1024, 413),
])  # fmt: skip
def test_only_urls_that_accept_files_accept_large_requests(conversation, name, length, status):
    browser = Client(enforce_csrf_checks=True)
    assert (
        browser.post(
            reverse(name, args=[conversation.public_id]), {"body": "x"}, CONTENT_LENGTH=str(length)
        ).status_code
        == status
    )


# Tests of who can open a file.


@pytest.mark.parametrize(("who", "sent", "not_sent", "pending"), [
    ("the patron", 200, 200, 404),
    ("another patron", 404, 404, 404),
    ("the holder of the code that it was kept by", 302, 302, 302),
    ("staff, as a patron", 404, 404, 404),
    ("nobody", 302, 302, 302),
])  # fmt: skip
def test_only_the_patron_can_open_files_of_a_conversation_in_their_account(
    client, sign_in, show_code, conversation, patron, staff, token, who, sent, not_sent, pending
):
    files = [
        attach_to(conversation.messages.get()),
        add_unsent(conversation, patron),
        add_to_pending_answer(conversation, staff),
    ]
    open_as(who, client, sign_in, show_code, conversation, patron, staff)
    for small in ("", "?size=small", "?size=soft"):
        assert [client.get(address(file) + small).status_code for file in files] == [sent, not_sent, pending]


@pytest.mark.parametrize(("who", "sent", "not_sent", "pending"), [
    ("the holder of the code", 200, 200, 302),
    ("the holder of the code, signed in", 200, 200, 404),
    ("another patron", 404, 404, 404),
    ("nobody", 302, 302, 302),
])  # fmt: skip
def test_only_a_viewer_with_the_code_can_open_files_of_an_anonymous_visit(
    client, sign_in, show_code, conversation, patron, staff, token, who, sent, not_sent, pending
):
    HelpSession.objects.filter(pk=conversation.help_session_id).update(patron=None, kept_at=None)
    Conversation.objects.filter(pk=conversation.pk).update(patron=None)
    conversation.refresh_from_db()
    files = [
        attach_to(conversation.messages.get()),
        add_unsent(conversation, None),
        add_to_pending_answer(conversation, staff),
    ]
    open_as(who, client, sign_in, show_code, conversation, patron, staff)
    assert [client.get(address(file)).status_code for file in files] == [sent, not_sent, pending]


def test_patron_cannot_open_a_file_of_a_pending_answer(me, conversation, staff, time_machine):
    time_machine.move_to(timezone.now(), tick=False)
    file = add_to_pending_answer(conversation, staff)
    assert me.get(address(file)).status_code == 404
    assert str(file.public_id) not in me.get(conversation.get_absolute_url()).content.decode()
    time_machine.shift(Message.UNDO_WINDOW)
    assert me.get(address(file)).status_code == 200
    assert str(file.public_id) in me.get(conversation.get_absolute_url()).content.decode()


def test_file_cannot_be_opened_with_the_url_of_another_conversation(me, conversation):
    file = attach_to(conversation.messages.get())
    elsewhere = MessageFactory(
        conversation=ConversationFactory(help_session=conversation.help_session)
    ).conversation
    assert me.get(reverse("attachment", args=[elsewhere.public_id, file.public_id])).status_code == 404


def test_page_loaded_before_a_merge_of_conversations_can_still_open_and_add_files(
    me, conversation, token, staff
):
    file = attach_to(conversation.messages.get())
    into = MessageFactory(
        conversation=ConversationFactory(help_session=conversation.help_session)
    ).conversation
    merging.merge(conversation, into=into, by=staff, at=timezone.now())
    assert me.get(address(file)).status_code == 200
    added = attach(me, conversation, token, picture_file("window.jpg"))
    shown = Attachment.objects.get(message=None)
    assert address(shown) in added.content.decode()
    assert me.get(address(shown)).status_code == 200


def test_patron_who_keeps_a_visit_still_sees_the_unsent_files(
    client, show_code, sign_in, conversation, patron, token
):
    HelpSession.objects.filter(pk=conversation.help_session_id).update(patron=None, kept_at=None)
    Conversation.objects.filter(pk=conversation.pk).update(patron=None)
    show_code(client, code_for(conversation.help_session))
    attach(client, conversation, token, picture_file())
    sign_in(client, patron)
    keeping.keep(HelpSession.objects.get(), by=patron, at=timezone.now(), wording="Keep it", language="en")
    assert address(Attachment.objects.get()) in client.get(conversation.get_absolute_url()).content.decode()


def add_unsent(conversation, person):
    [(name, usable)] = attachments.checked([("not-sent.jpg", picture_file(), "")])[0]
    return attachments.add(
        conversation,
        by=person,
        side="patron",
        client_token=uuid.uuid4(),
        at=timezone.now(),
        name=name,
        usable=usable,
    )


def add_to_pending_answer(conversation, staff):
    answer = actions.reply(
        conversation,
        by=staff,
        side="staff",
        at=timezone.now(),
        body="Yes.",
        language="en",
        client_token=uuid.uuid4(),
    )
    return attach_to(answer, pdf_file())


def open_as(who, client, sign_in, show_code, conversation, patron, staff):
    if who.startswith("the holder"):
        show_code(client, code_for(conversation.help_session, state="kept" if "kept" in who else "live"))
    if who == "the patron" or "signed in" in who:
        sign_in(client, patron)
    if who == "another patron":
        sign_in(client, HelpSessionFactory().staff, second_factor=False)
    if who.startswith("staff"):
        sign_in(client, staff)


# Tests of how files are served.


def test_picture_is_served_inline_in_a_sandbox(me, conversation):
    file = attach_to(conversation.messages.get(), picture_file('a "b".jpg'))
    answer = me.get(address(file))
    assert Image.open(io.BytesIO(answer.content)).size == (120, 80)
    assert {
        name: answer[name]
        for name in (
            "Content-Type",
            "Content-Disposition",
            "Content-Security-Policy",
            "Cache-Control",
            "X-Content-Type-Options",
        )
    } == {
        "Content-Type": "image/jpeg",
        "Content-Disposition": 'inline; filename="a \\"b\\".jpg"',
        "Content-Security-Policy": "sandbox; frame-ancestors 'none'",
        "Cache-Control": "private, no-store",
        "X-Content-Type-Options": "nosniff",
    }
    for size in ("small", "soft"):
        assert me.get(f"{address(file)}?size={size}")["Content-Type"] == "image/webp"


def test_pdf_is_always_a_download(me, conversation):
    file = attach_to(conversation.messages.get(), pdf_file("form.html"))
    for small in ("", "?size=small", "?size=soft"):
        answer = me.get(address(file) + small)
        assert (answer["Content-Type"], answer["Content-Disposition"]) == (
            "application/pdf",
            'attachment; filename="form.html.pdf"',
        )
        assert "sandbox" in answer["Content-Security-Policy"]


@pytest.mark.few_cases
@pytest.mark.parametrize(("name", "kept"), [
    ("shelf.jpg", "shelf.jpg"),
    ("Shelf.JPEG", "Shelf.JPEG"),
    ("shelf.png", "shelf.jpg"),
    ("shelf", "shelf.jpg"),
    ("shelf.exe", "shelf.exe.jpg"),
    (".jpg", ".jpg.jpg"),
    ("C:\\Users\\me\\shelf.jpg", "shelf.jpg"),
    ("x" * 300 + ".jpg", "x" * 99 + "….jpg"),
    ("\u202egpj.exe", "gpj.exe.jpg"),
    ("\u2068\x00", "file.jpg"),
])  # fmt: skip
def test_uploaded_file_gets_a_clean_name_with_the_extension_of_its_type(name, kept):
    [(name, usable)] = attachments.checked([(name, picture_file(), "")])[0]
    assert attachments._named(name, usable.extension) == kept


def test_stored_path_contains_no_part_of_the_uploaded_file_name(conversation, disk):
    file = attach_to(conversation.messages.get(), picture_file("../../secret.jpg"))
    folder = file.public_id.hex[:2]
    assert disk() == [
        f"attachments/{folder}/{file.public_id}.jpeg",
        f"attachments/{folder}/{file.public_id}.preview.webp",
    ]


def test_attachment_returns_404_if_its_file_is_missing_on_disk(me, conversation):
    file = attach_to(conversation.messages.get())
    Attachment.remove_files(file.stored_names())
    assert me.get(address(file)).status_code == 404


# Tests of how files are deleted.


def test_unsent_files_are_deleted_after_a_day(
    me, conversation, token, disk, django_capture_on_commit_callbacks
):
    attach(me, conversation, token, picture_file("old.jpg"), pdf_file("new.pdf"))
    sent = attach_to(conversation.messages.get())
    Attachment.objects.filter(name="old.jpg").update(added_at=timezone.now() - datetime.timedelta(hours=25))
    Attachment.objects.filter(pk=sent.pk).update(added_at=timezone.now() - datetime.timedelta(days=25))
    with django_capture_on_commit_callbacks(execute=True):
        attachments.forget_unsent_attachments(at=timezone.now())
    assert {a.name for a in Attachment.objects.all()} == {"new.pdf", sent.name}
    assert len(disk()) == 3
    assert attachments.forget_unsent_attachments in {job for job, _every in JOBS}


def test_old_stored_file_without_a_database_row_is_deleted(me, conversation, token, disk, tmp_path):
    kept = attach_to(conversation.messages.get())
    stray, young = (
        attach_to(conversation.messages.get(), picture_file(color="red")),
        attach_to(conversation.messages.get(), picture_file(color="green")),
    )
    Attachment.objects.filter(pk__in=[stray.pk, young.pk]).delete()
    (tmp_path / "logo").mkdir()
    (tmp_path / "logo" / "a.png").write_text("the library's")
    old = (timezone.now() - datetime.timedelta(hours=2)).timestamp()
    for path in tmp_path.rglob("*"):
        if path.is_file() and str(young.public_id) not in path.name:
            os.utime(path, (old, old))
    attachments.forget_stray_files(at=timezone.now())
    assert disk() == sorted([*kept.stored_names(), *young.stored_names(), "logo/a.png"])


def test_erasing_a_conversation_deletes_its_files_from_disk(
    conversation, coordinator, disk, django_capture_on_commit_callbacks
):
    attach_to(conversation.messages.get(), picture_file(), pdf_file())
    with django_capture_on_commit_callbacks(execute=True):
        desk_actions.erase(conversation, by=coordinator, at=timezone.now())
    assert (Attachment.objects.count(), disk()) == (0, [])


def test_erased_conversation_accepts_no_file(conversation, coordinator, patron, disk):
    desk_actions.erase(conversation, by=coordinator, at=timezone.now())
    with pytest.raises(actions.Erased):
        add_unsent(conversation, patron)
    assert disk() == []


@pytest.mark.slow
def test_conversation_page_runs_the_same_number_of_queries_for_1_and_11_files(
    me, conversation, django_assert_num_queries
):
    attach_to(conversation.messages.get())
    me.get(conversation.get_absolute_url())
    with django_assert_num_queries(7):
        me.get(conversation.get_absolute_url())
    for n in range(5):
        attach_to(MessageFactory(conversation=conversation), picture_file(f"{n}.jpg"), pdf_file(f"{n}.pdf"))
    me.get(conversation.get_absolute_url())
    with django_assert_num_queries(7):
        me.get(conversation.get_absolute_url())


# Tests of simultaneous uploads, with real processes on a real database.

ROUNDS = times(5, 50)


def race(test):
    test = pytest.mark.long(pytest.mark.django_db(transaction=True)(test))
    test = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")(test)
    return pytest.mark.skipif(
        connection.vendor == "sqlite", reason="SQLite hides races; PostgreSQL does not"
    )(test)


def uploads_of(conversation, person, names, token=None):
    """Return a list of functions, one for each file name. Each adds a PDF of 1,000 bytes with its name."""

    def work(name, key):
        content = b"%PDF-" + b"x" * 995
        [(name, usable)] = attachments.checked([(f"{name}.pdf", pdf_file(content=content), "")])[0]
        added = attachments.add(
            conversation,
            by=person,
            side="patron",
            client_token=token or key,
            at=timezone.now(),
            name=name,
            usable=usable,
        )
        return str(added.public_id)

    return [lambda key, name=name: work(name, key) for name in names]


@pytest.mark.core
@race
def test_eight_simultaneous_uploads_never_exceed_the_patrons_file_space(
    conversation, patron, monkeypatch, disk
):
    monkeypatch.setattr(attachments, "MAX_BYTES_PER_PATRON", 3500)
    conversations = [
        conversation,
        *(
            MessageFactory(
                conversation=ConversationFactory(help_session=conversation.help_session)
            ).conversation
            for _ in range(3)
        ),
    ]
    works = [
        work for n, some in enumerate(conversations) for work in uploads_of(some, patron, [f"{n}a", f"{n}b"])
    ]

    def check(_key, outcomes):
        assert sorted(outcome == "NotAdded" for outcome in outcomes) == [False] * 3 + [True] * 5
        assert len(disk()) == Attachment.objects.count() == 3
        for file in Attachment.objects.all():
            Attachment.remove_files(file.stored_names())
        Attachment.objects.all().delete()

    rounds(works, ROUNDS, before=lambda _: uuid.uuid4(), after=check, refusals={"NotAdded"})


@race
def test_eight_simultaneous_uploads_by_code_never_exceed_the_conversations_file_space(
    conversation, monkeypatch
):
    monkeypatch.setattr(attachments, "MAX_BYTES_BY_CODE", 3500)

    def check(_key, outcomes):
        assert sorted(outcome == "NotAdded" for outcome in outcomes) == [False] * 3 + [True] * 5
        Attachment.objects.all().delete()

    rounds(
        uploads_of(conversation, None, "abcdefgh"),
        ROUNDS,
        before=lambda _: uuid.uuid4(),
        after=check,
        refusals={"NotAdded"},
    )


@race
def test_same_file_uploaded_in_eight_processes_is_stored_once(conversation, patron, disk):
    def check(key, ids):
        assert len(set(ids)) == Attachment.objects.filter(client_token=key).count() == 1

    rounds(uploads_of(conversation, patron, "a" * 8), ROUNDS, before=lambda _: uuid.uuid4(), after=check)
    assert len(disk()) == ROUNDS


@race
def test_file_uploaded_while_the_message_is_sent_is_attached_or_refused(conversation, patron):
    def sends(key):
        return actions.reply(
            conversation,
            by=patron,
            side="patron",
            at=timezone.now(),
            body="Here.",
            language="en",
            client_token=key,
        ).pk

    def check(key, outcomes):
        message = Message.objects.get(client_token=key)
        in_it = Attachment.objects.filter(message=message).count()
        assert outcomes[1:].count("NotAdded") == 3 - in_it
        assert not Attachment.objects.filter(message=None).exists()

    rounds(
        [sends, *uploads_of(conversation, patron, "abc")],
        ROUNDS,
        before=lambda _: uuid.uuid4(),
        after=check,
        refusals={"NotAdded"},
    )
