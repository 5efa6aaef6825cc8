"""Test adding pictures and PDFs on a phone and at the desk."""

import re

import pytest
from django.db.models import F
from django.utils import timezone
from playwright.sync_api import expect

from portal.conversations.models import Attachment, Message
from tests.factories import (
    ConversationFactory,
    HelpSessionFactory,
    MessageFactory,
    attach_to,
    pdf_file,
    photograph,
    picture_file,
)

from .conftest import DESK, PHONE
from .states import HOSTILE

pytestmark = [pytest.mark.only_long, pytest.mark.browser]

PASTE = """async ([kind, words]) => {
  const canvas = document.createElement("canvas");
  canvas.width = 600; canvas.height = 300;
  canvas.getContext("2d").fillRect(0, 0, 300, 300);
  const blob = await new Promise(done => canvas.toBlob(done, "image/png"));
  const moved = new DataTransfer();
  moved.items.add(new File([blob], "image.png", { type: "image/png" }));
  if (words) moved.items.add(words, "text/plain");
  const field = document.getElementById("id_body"), how = { bubbles: true, cancelable: true };
  if (kind === "paste") field.dispatchEvent(new ClipboardEvent("paste", { clipboardData: moved, ...how }));
  else for (const type of ["dragover", "drop"]) document.body.dispatchEvent(new DragEvent(type, { dataTransfer: moved, ...how }));
}"""


@pytest.fixture
def conversation(branch, staff, patron):
    session = HelpSessionFactory(
        branch=branch, staff=staff, patron=patron, kept_at=timezone.now(), handed_over_at=timezone.now()
    )
    return MessageFactory(conversation=ConversationFactory(help_session=session)).conversation


@pytest.fixture
def write(show, conversation, patron, phone):
    """Return write(**options), which opens the patron's conversation on a phone and returns the page.

    `options` are the arguments of the fixture `phone`.
    """

    def write(**more):
        page = show(phone(**more), patron)
        page.goto(conversation.get_absolute_url())
        if more.get("javascript", True):
            touch(page)
        return page

    return write


def touch(page):
    """Focus the text box, which makes the page load the script for files. Wait until this script has run."""
    page.evaluate(
        """() => {
          const note = event => { if (event.target.src?.includes("attach")) window.canAttach = true; };
          document.addEventListener("load", note, true);
          document.getElementById("id_body").focus();
        }"""
    )
    page.wait_for_function("() => window.canAttach")


def uploads(*files):
    return [
        {"name": file.name, "mimeType": "application/octet-stream", "buffer": file.read()} for file in files
    ]


def attached(page):
    return page.locator(".attached > li:not(.sending, .field-error)")


def slow(page, *, bytes_a_second):
    line = page.context.new_cdp_session(page)
    line.send("Network.enable")
    line.send(
        "Network.emulateNetworkConditions",
        {"offline": False, "latency": 50, "downloadThroughput": -1, "uploadThroughput": bytes_a_second},
    )
    return lambda: line.send(
        "Network.emulateNetworkConditions",
        {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1},
    )


def test_pictures_and_a_pdf_are_sent_with_a_message(write, conversation):
    page = write()
    page.locator("#id_files").set_input_files(
        uploads(picture_file("shelf.jpg", size=(600, 300)), pdf_file(), picture_file("page.png", kind="TIFF"))
    )
    expect(page.locator(".attached .field-error")).to_contain_text(
        "page.png: You can only send pictures (JPEG, PNG, WebP) and PDFs."
    )
    expect(page.locator("#announce")).to_contain_text("page.png")
    expect(attached(page)).to_have_count(2)
    expect(page.locator("#id_files")).to_have_value("")

    page.locator("[name^=alt-]").fill("Three shelves")
    # Enter in the description doesn't send the message.
    page.locator("[name^=alt-]").press("Enter")
    page.locator("#id_body").fill("It is this one.")
    page.locator("#send").tap()
    picture = page.locator(".message .files img")
    expect(picture).to_have_attribute("alt", "Three shelves")
    assert picture.evaluate(
        "async image => (await image.decode(), [image.naturalWidth, image.width, image.height])"
    ) == [480, 240, 120]
    expect(attached(page)).to_have_count(0)
    assert [a.name for a in Message.objects.get(body="It is this one.").attachments.all()] == [
        "shelf.jpg",
        "form.pdf",
    ]
    with page.expect_download() as download:
        page.locator(".files a[download]").tap()
    assert download.value.suggested_filename == "form.pdf"


def test_file_can_be_added_before_any_text_is_typed(show, phone, patron, conversation):
    page = show(phone(), patron)
    page.goto(conversation.get_absolute_url())
    assert page.locator("script[src*=attach]").count() == 0
    page.locator("#id_files").set_input_files(uploads(pdf_file()))
    expect(attached(page)).to_have_count(1)


def test_message_is_sent_after_its_files_are_uploaded_on_a_slow_connection(write, conversation):
    page = write()
    fast_again = slow(page, bytes_a_second=20_000)
    page.locator("#id_files").set_input_files(
        uploads(pdf_file(content=b"%PDF-" + b"x" * 300_000), pdf_file("other.pdf"))
    )
    page.locator("#id_body").fill("Both are here.")
    expect(page.locator(".sending progress").first).to_have_attribute("value", re.compile(r"0\.[1-9]"))
    page.locator("#send").tap()
    expect(page.locator("#announce")).to_have_text("Your message will be sent when its files are uploaded.")
    assert not Message.objects.filter(body="Both are here.").exists()
    fast_again()
    expect(page.locator(".files a[download]")).to_have_count(2)
    assert Message.objects.get(body="Both are here.").attachments.count() == 2


def test_message_is_not_sent_if_its_file_is_refused_during_the_upload(write, conversation):
    page = write()
    fast_again = slow(page, bytes_a_second=2_000)
    page.locator("#id_files").set_input_files(uploads(pdf_file("page.pdf", b"<html>" + b"x" * 200_000)))
    page.locator("#id_body").fill("See this.")
    page.locator("#send").tap()
    fast_again()
    expect(page.locator("#announce")).to_have_text(
        "Your message wasn't sent, because a file has a problem. Read the error, then send again."
    )
    expect(page.locator("#id_body")).to_have_value("See this.")
    assert Message.objects.count() == 1


def test_upload_can_be_stopped_and_a_failed_upload_can_be_retried(write, conversation):
    page = write()
    fast_again = slow(page, bytes_a_second=2_000)
    page.locator("#id_files").set_input_files(uploads(pdf_file(content=b"%PDF-" + b"x" * 300_000)))
    # If the connection were fast again before the browser has ended the request, the file could still be
    # uploaded.
    with page.expect_event("requestfailed"):
        page.locator(".sending button").tap()
    expect(page.locator(".attached li")).to_have_count(0)
    expect(page.locator("#id_files")).to_be_focused()

    fast_again()
    page.reload()
    page.route("**/attach/", lambda route: route.abort("aborted"))
    page.locator("#id_files").set_input_files(uploads(pdf_file("other.pdf")))
    expect(page.locator(".attached .field-error")).to_contain_text("The connection was lost.")
    page.unroute("**/attach/")
    page.locator(".attached .field-error button").tap()
    expect(attached(page)).to_have_count(1)
    assert [a.name for a in Attachment.objects.all()] == ["other.pdf"]


def test_photo_is_made_smaller_before_uploading(write, conversation, tmp_path):
    page, sizes = write(), []
    page.on(
        "request",
        lambda request: (
            request.url.endswith("/attach/") and sizes.append(int(request.header_value("content-length")))
        ),
    )
    noisy = picture_file("photo.jpg", size=(4000, 3000))
    (tmp_path / "photo.jpg").write_bytes(noisy.read() + b"\0" * 9_000_000)
    page.locator("#id_files").set_input_files(tmp_path / "photo.jpg")
    expect(attached(page)).to_have_count(1)
    assert sizes[0] < 1_000_000
    assert Attachment.objects.get().width > 3000


@pytest.mark.parametrize("how", ["paste", "drop"])
def test_picture_can_be_pasted_or_dropped(write, conversation, how):
    page = write()
    page.evaluate(PASTE, [how, ""])
    expect(attached(page)).to_have_count(1)
    # Adding the same picture again changes nothing.
    page.evaluate(PASTE, [how, ""])
    expect(page.locator(".sending")).to_have_count(0)
    expect(attached(page)).to_have_count(1)
    assert Attachment.objects.get().name == "image.png"


def test_pasting_text_together_with_a_picture_adds_no_file(write, conversation):
    page = write()
    page.evaluate(PASTE, ["paste", "a table"])
    # The page adds the line of a file immediately, before it uploads the file.
    assert page.locator(".attached li").count() == 0


def test_files_added_on_one_phone_appear_on_a_second_phone(write, conversation):
    page = write()
    page.locator("#id_files").set_input_files(uploads(picture_file(), pdf_file()))
    expect(attached(page)).to_have_count(2)
    with page.expect_response("**/attach/"):
        page.locator("[name^=alt-]").fill("Three shelves")
    other = write()
    expect(other.locator("[name^=alt-]")).to_have_value("Three shelves")
    attached(other).last.locator("button").tap()
    expect(attached(other)).to_have_count(1)
    expect(other.locator("#id_files")).to_be_focused()
    page.reload()
    expect(attached(page)).to_have_count(1)


def test_patron_can_add_and_remove_files_and_send_them_without_javascript(write, conversation):
    page = write(javascript=False)
    page.locator("#id_body").fill("It is this one.")
    page.locator("#id_files").set_input_files(uploads(picture_file(), pdf_file()))
    page.locator("#add-files").tap()
    expect(attached(page)).to_have_count(2)
    expect(page.locator("#id_body")).to_have_value("It is this one.")
    page.locator("[name^=alt-]").fill("Three shelves")
    attached(page).last.locator("button").tap()
    expect(attached(page)).to_have_count(1)
    expect(page.locator("[name^=alt-]")).to_have_value("Three shelves")
    page.locator("#send").tap()
    expect(page.locator(".message .files img")).to_have_attribute("alt", "Three shelves")
    assert Message.objects.get(body="It is this one.").attachments.count() == 1


@pytest.mark.parametrize(("touch", "shown"), [(True, True), (False, False)])
def test_camera_button_appears_only_on_touch_devices(opened, show, patron, conversation, touch, shown):
    page = show(
        opened({"viewport": {"width": 360, "height": 740}, "has_touch": touch, "is_mobile": touch}), patron
    )
    page.goto(conversation.get_absolute_url())
    expect(page.locator("label.photo")).to_be_visible(visible=shown)
    expect(page.locator("#id_photo")).to_have_attribute("capture", "environment")


def test_staff_member_can_take_back_and_resend_an_answer_with_a_picture(
    desk_computer, show, staff, patron, conversation, phone
):
    desk = show(desk_computer(), staff)
    desk.goto(f"/desk/conversations/{conversation.public_id}/")
    touch(desk)
    desk.locator("#id_body").fill("The sign at the door.")
    desk.evaluate(PASTE, ["paste", ""])
    desk.locator("[name^=alt-]").fill("A red sign")
    desk.locator("#id_body").press("Control+Enter")
    expect(desk.locator(".message .files img")).to_have_attribute("alt", "A red sign")
    desk.locator("[id^=take-back]").click()
    expect(desk.locator("[name^=alt-]")).to_have_value("A red sign")
    expect(desk.locator(".message .files")).to_have_count(0)
    desk.locator("#id_body").press("Control+Enter")
    expect(desk.locator(".message .files img")).to_have_count(1)
    Message.objects.update(shown_from=F("sent_at"))
    page = show(phone(), patron)
    page.goto(conversation.get_absolute_url())
    expect(page.locator(".theirs .files img")).to_have_attribute("alt", "A red sign")


def test_html_in_file_names_and_descriptions_is_escaped(write, conversation):
    attach_to(conversation.messages.get(), picture_file(f"{HOSTILE}.jpg"), alt=HOSTILE)
    attach_to(conversation.messages.get(), pdf_file(f"{HOSTILE}.pdf"))
    page = write()
    page.locator("#id_files").set_input_files(
        [
            {
                "name": '<img src=x onerror="document.title=1">.jpg',
                "mimeType": "image/jpeg",
                "buffer": b"no picture",
            }
        ]
    )
    expect(page.locator(".attached .field-error")).to_contain_text("<img src=x")
    expect(page.locator(".attached img, .files script")).to_have_count(0)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_photographs_are_blurred_until_the_first_touch_and_never_delay_the_page(
    show, phone, patron, conversation
):
    attach_to(conversation.messages.get(), photograph(), photograph("other.jpg", size=(1200, 1600)))
    page = show(phone(), patron)
    page.goto(conversation.get_absolute_url())
    picture = page.locator(".files img").first
    expect(picture).to_have_js_property("naturalWidth", 96)
    # Photographs are loaded only after everything else on the page.
    assert page.evaluate(
        """() => {
            const [{ loadEventStart }] = performance.getEntriesByType('navigation');
            const pictures = performance.getEntriesByType('resource').filter(entry => entry.name.includes('size=soft'));
            return pictures.length && pictures.every(picture => picture.startTime > loadEventStart);
        }"""
    )
    box = picture.bounding_box()
    page.touchscreen.tap(8, 200)
    expect(picture).to_have_js_property("naturalWidth", 480)
    assert picture.bounding_box() == box


def test_photographs_stay_blurred_until_the_mouse_moves(show, opened, patron, conversation):
    attach_to(conversation.messages.get(), photograph())
    page = show(opened(DESK), patron)
    page.goto(conversation.get_absolute_url())
    picture = page.locator(".files img")
    expect(picture).to_have_js_property("naturalWidth", 96)
    # Chromium also sends a pointermove event if the page moves under a resting mouse. This event must not
    # load the photographs.
    page.evaluate("() => dispatchEvent(new PointerEvent('pointermove', { bubbles: true }))")
    expect(picture).to_have_attribute("src", re.compile("size=soft$"))
    page.mouse.move(100, 100)
    page.mouse.move(110, 120)
    expect(picture).to_have_js_property("naturalWidth", 480)


def test_photographs_are_loaded_when_they_come_into_view(show, phone, patron, conversation):
    for number in range(9):
        attach_to(MessageFactory(conversation=conversation, body=f"Shelf {number}"), photograph())
    page = show(phone(), patron)
    page.goto(f"{conversation.get_absolute_url()}#latest")
    last, first = page.locator(".files").last, page.locator(".files").first
    last.scroll_into_view_if_needed()
    expect(last.locator("img")).to_have_js_property("naturalWidth", 96)
    assert first.locator("img").count() == 0
    height = first.bounding_box()["height"]
    first.scroll_into_view_if_needed()
    page.touchscreen.tap(8, 200)
    expect(first.locator("img")).to_have_js_property("naturalWidth", 480)
    # The gray area had the same size as the picture, so nothing on the page moves.
    assert abs(first.bounding_box()["height"] - height) < 1


def test_photographs_are_shown_without_javascript(show, opened, patron, conversation):
    attach_to(conversation.messages.get(), photograph(), alt="A & <b>")
    page = show(opened(PHONE, javascript=False), patron)
    page.goto(conversation.get_absolute_url())
    picture = page.locator(".files img")
    picture.scroll_into_view_if_needed()
    expect(picture).to_have_attribute("alt", "A & <b>")
    expect(picture).to_be_visible()
    # The gray area takes the place of a picture until a script loads the picture. Without JavaScript, the
    # area is hidden.
    expect(page.locator(".files svg")).to_be_hidden()
