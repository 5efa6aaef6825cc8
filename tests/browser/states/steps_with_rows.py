"""Steps that need rows of the database or the texts that people type."""

import time
import uuid

from django.core import signing
from django.utils import timezone

from accounts.models import Library
from accounts.patron.refused_posts import save_refused_post
from accounts.sign_in.emailed_codes import EmailedCode
from accounts.sign_in.unsent import UNSENT, mark_of
from accounts.views.single_sign_on import FIRST_TIME
from portal.checkins.models import CheckIn
from portal.conversations import drafts
from portal.conversations.models import Conversation
from recommendations.models import Topic
from tests.factories import (
    pdf_file,
    picture_file,
)

from .steps import ask_for_code, put_into_session


class Steps:
    """Functions that bring an open page into one of its states, with these rows and texts."""

    def __init__(self, rows, words):
        self.rows = rows
        self.words = words

    def save_an_old_form(self, page):
        """Save the form as if a colleague had corrected the session after the form was opened."""
        page.locator("#id_version").evaluate("field => { field.value = '0'; }")
        page.locator("#id_was").evaluate(
            "field => { field.value = JSON.stringify({...JSON.parse(field.value), question: 'Before'}); }"
        )
        page.locator("#id_question").fill(f"{self.words.question} {self.words.message}")
        page.locator("#save").click()
        page.locator("#error-summary").wait_for()
        page.wait_for_load_state()
        if page.locator("input[name=warned]").count():
            page.locator("#save").click()
        page.locator("#error-summary dl").wait_for()

    def changes_address(self, *, stage=""):
        """Return a function that opens the page for changing the email address, at the step `stage`."""
        new, old = "new@example.org", self.rows.leaver.email
        known = {"proved_at": time.time()}
        if stage:
            known |= {
                "new_address": new,
                "read_at": {new: time.time(), **({old: time.time()} if stage == "confirmed" else {})},
            }
        if stage == "code":
            known["mailed_code"] = {
                **EmailedCode.initial_state(user=self.rows.leaver, email=old),
                "purpose": "old_address",
                "code": "123456",
            }

        def do(page):
            put_into_session(page, known)
            page.goto("/me/address/")

        return do

    def add_files(self, page):
        files = (
            picture_file("shelf.jpg", size=(900, 600)),
            pdf_file(f"{self.words.message}.pdf"),
            pdf_file(f"{self.words.message}.exe", b"MZ"),
        )
        page.locator("#id_files").set_input_files(
            [{"name": file.name, "mimeType": "image/jpeg", "buffer": file.read()} for file in files]
        )
        page.locator(".attached .field-error").wait_for()

    def answer_at_desk(self, page):
        page.locator("#id_body").fill(self.words.message)
        page.locator("#send").click()

    def stopped(self, page):
        page.locator("#reply-form [name=seen]").evaluate("field => field.value = 0")
        self.answer_at_desk(page)
        page.locator("#newer").wait_for()

    def taken(self, page):
        row = Conversation.objects.filter(pk=self.rows.waiting.pk)
        row.update(assignee=self.rows.absence.cover, assigned_at=timezone.now())
        page.locator("#id_body").fill(self.words.message)
        page.locator("#send_take").click()
        page.locator("#taken-meanwhile").wait_for()
        row.update(assignee=None, assigned_at=None)

    def held(self, page):
        self.answer_at_desk(page)
        page.locator("#entries .pending-answer button").wait_for()

    def newer_draft(self, page):
        whose = {"person": self.rows.patron, "side": "patron", "kind": "reply"}
        drafts.forget(self.rows.answered_twin, **whose)
        drafts.save_draft(
            self.rows.answered_twin,
            **whose,
            client_token=uuid.uuid4(),
            sequence=9,
            body=self.words.message,
            at=timezone.now(),
        )
        page.locator("#id_body").fill("Older")
        page.locator("#id_body").blur()
        page.locator("#keep-this").wait_for()

    def wrong_number(self, page):
        page.locator("#id_call_number").fill(self.words.name[:50])
        page.locator("#send").click()
        page.locator("#error-summary").wait_for()

    def ask_with_wrong_address(self, page):
        self.write_question(page)
        page.locator("#id_email").fill("nobody")
        page.locator("#send-code").click()
        page.locator("#error-summary").wait_for()

    def send_after_the_code(self, page):
        page.locator("#id_body").fill(self.words.message)
        page.context.clear_cookies()
        page.locator("#send").click()
        page.locator("#failed a").first.wait_for()

    def ask_for_question_code(self, page):
        self.write_question(page)
        ask_for_code(page, "asks@example.org")

    def not_sent(self, page):
        page.locator("#id_body").fill(self.words.message)
        page.context.clear_cookies()
        page.locator("#send").click()
        page.locator("#not-sent").wait_for()

    def not_sent_then_sign_in(self, page):
        self.not_sent(page)
        page.locator("main a.button").first.click()
        page.locator("#send-code").wait_for()

    def unsent(self, path, **fields):
        """Return a function that opens the page `path`, which shows unsent text."""
        waiting_fields = {name: [value] for name, value in fields.items()}

        def do(page):
            save_refused_post(
                self.rows.patron,
                path=path,
                fields=waiting_fields,
                at=timezone.now(),
                browser=mark_of("token"),
            )
            value = signing.get_cookie_signer(salt=UNSENT).sign("token")
            page.context.add_cookies([{"name": UNSENT, "value": value, "url": page.url}])
            page.goto(path)
            page.locator("#unsent").wait_for()

        return do

    def discarded(self, path, **fields):
        """Return a function that deletes the unsent text on the page `path`. The page then offers undo."""

        def do(page):
            self.unsent(path, **fields)(page)
            page.locator("#discard-unsent").click()
            page.locator("#undo-1").wait_for()

        return do

    def first_time(self, taken):
        """Return a function that opens the page for people who use single sign-on for the first time.

        If `taken` is true, the person's email address belongs to another account.
        """
        who = {
            "subject": "4711",
            "name": self.words.name,
            "email": self.rows.patron.email,
            "email_is_proven": False,
            "shown_at": 0,
        }
        noted = {
            "identity": who,
            "borrowed": False,
            "going_to": "",
            "taken": taken,
            "proved": False,
            "at": self.rows.now.timestamp(),
        }

        def do(page):
            put_into_session(page, {FIRST_TIME: noted})
            page.goto("/sign-in/single-sign-on/first-time/")

        return do

    def write_question(self, page):
        page.locator("#id_body").fill(self.words.question)
        page.locator("#send").click()
        page.locator("#by-mail").wait_for()

    def write_another(self, page):
        self.write_question(page)
        page.goto("/ask/")
        page.locator("[name=client_token]").evaluate(
            "field => { field.value = '00000000-0000-4000-8000-000000000001'; }"
        )
        page.locator("#id_body").fill(self.words.message)
        page.locator("#send").click()
        page.locator("#waiting-title").wait_for()

    def answer_all(self, page):
        fills = (
            lambda: page.locator("#id_words").fill(self.words.title),
            lambda: page.locator("[value=funny]").check(),
            lambda: page.locator("#id_words").fill(self.words.reason[:400]),
            lambda: page.locator("[value=me]").check(),
            lambda: page.locator("[value=paper]").check(),
        )
        for number, fill in enumerate(fills, start=1):
            # Several questions have the same fields, so wait until the page shows the right question.
            page.locator(f"main progress[value='{number}']").wait_for()
            fill()
            page.locator("#next").click()
        page.locator("#change-loved").wait_for()

    def share_and_return(self, page):
        page.locator("#id_words").fill(self.words.message[:500])
        page.locator("#share-words").click()
        page.locator("#outcome").wait_for()
        page.goto(f"{self.rows.at['plain']}words/")

    def save_old_words(self, page):
        CheckIn.objects.filter(pk=self.rows.planned.pk).update(words=f"{self.words.comment} {uuid.uuid4()}")
        page.locator("#save-words").click()
        page.locator("#error-summary").wait_for()

    def suggest_check_in(self, page):
        page.locator("#id_question").fill(self.words.question)
        page.locator("#suggested q").wait_for()
        page.locator("#ask-on-summary").click()

    def show_topics_to_check(self, page):
        """Show the page as it is before check-ins are turned on, with a topic that sounds private."""
        topic = Topic.objects.create(name=f"Health {self.words.topic}"[:60])
        Library.objects.update(check_ins=False)
        page.reload()
        page.locator("#topics-to-check").wait_for()
        # Turn check-ins on again, because the other states need them.
        Library.objects.update(check_ins=True)
        topic.delete()

    def by_name(self, page):
        page.locator("#id_letters").fill("Zwick")
        page.locator("#id_reason").fill(self.words.message[:300])
        page.locator("#look-up-name").click()
        page.locator("#found-title").wait_for()

    def record_for(self, typed, shows):
        def do(page):
            page.locator("#id_question").fill(self.words.question)
            page.locator("#id_for_whom").fill(typed)
            page.locator("#id_for_whom").press("Enter")
            page.locator(f"#recipient {shows}").wait_for()

        return do

    def record_without_agreement(self, page):
        self.record_for("2123400007777", "#id_agreed")(page)
        page.locator("#save").click()
        page.locator("#error-summary").wait_for()

    def add_by_hand(self, page):
        page.locator(".by-hand > summary").click()
        page.locator("#id_new-title").fill(self.words.title)
        page.locator("#add-item").click()
        page.locator(".by-hand[open]").wait_for()
        page.locator(".chosen > li").wait_for()

    def add_kit(self, page):
        page.locator(".by-hand > summary").click()
        page.locator("#show-kits").click()
        page.locator(f"#add-kit-{self.rows.kit.public_id}").click()
        page.locator(".chosen > li").first.wait_for()

    def choose_kit_topic(self, page):
        page.locator("#id_topic").select_option(str(self.rows.kit_topic.pk))
        page.locator("#asked-before section").wait_for()

    def paste_several(self, page):
        page.locator(".by-hand > summary").click()
        page.locator(".pasting > summary").click()
        pasted = f"{self.words.title[:300]} | {self.words.name[:200]}\n10.1000\nSwap | 2027-05-03\n10.1136/bmj.n71\n0306406153"
        page.locator("#id_new-pasted").fill(pasted)
        page.locator("#read-pasted").click()
        page.locator("#understood").wait_for()

    def add_pasted(self, page):
        self.paste_several(page)
        page.locator("#add-pasted").click()
        page.locator(".chosen > li").first.wait_for()

    def open_tray(self, page):
        page.locator("#id_question").fill(self.words.question)
        with page.expect_navigation():
            page.locator("#later").click()
        page.locator("#tray > summary").click()
