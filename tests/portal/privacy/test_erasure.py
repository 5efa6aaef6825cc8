"""Test that an erasure sends a receipt and deletes all data of a person except counts.

An erasure that fails changes nothing.
"""

import datetime
import time
import uuid

import pytest
from allauth.account.models import EmailAddress
from allauth.usersessions.models import UserSession
from django.apps import apps
from django.contrib.sessions.models import Session
from django.db import IntegrityError
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts import audit
from accounts.models import AuditEvent, Library, LibraryCard, StaffRole, User, private_storage
from accounts.patron.refused_posts import save_refused_post
from accounts.sign_in.access import REAUTHENTICATED_AT
from portal.conversations import actions, attachments, drafts, merging, notes, verdicts
from portal.conversations import keeping as conversation_keeping
from portal.conversations.models import Attachment, Conversation, Message
from portal.helpsessions import handover, keeping
from portal.helpsessions.models import ClaimCode, HelpSession
from portal.lists.actions import save
from portal.notifications import actions as outbox
from portal.notifications import delivery
from portal.notifications.models import Notification
from portal.privacy import erasure, exports, holds
from portal.privacy.merging import merge_people
from portal.privacy.models import Erasure, Export
from recommendations.actions import record_verdict
from recommendations.chosen_items import ChosenItem
from recommendations.models import Recommendation
from tests.factories import (
    HelpSessionFactory,
    InvitationFactory,
    ItemFactory,
    PasskeyFactory,
    SessionNoteFactory,
    UserFactory,
    attach_to,
    code_for,
    recommend_in,
)
from tests.mailers import use_outbox
from tests.portal.pages import text

from . import columns, everything

pytestmark = [pytest.mark.sql, pytest.mark.sqlite_first, pytest.mark.slow]

NOW = datetime.datetime(2026, 11, 20, 15, 42, 7, tzinfo=datetime.UTC)
ERASE = reverse("erase")


def reauthenticate(client):
    session = client.session
    session[REAUTHENTICATED_AT] = time.time()
    session.save()
    return client


@pytest.fixture
def me(client, patron, sign_in):
    return reauthenticate(sign_in(client, patron))


@pytest.fixture
def life(patron, staff, coordinator, branch):
    """Create rows of every kind for the patron.

    What the patron wrote contains MINE. What the library wrote contains THEIRS.
    """
    EmailAddress.objects.create(user=patron, email=patron.email, verified=True, primary=True)
    EmailAddress.objects.create(user=patron, email="sam.second@example.org", verified=True)
    visit = HelpSessionFactory(
        branch=branch,
        staff=staff,
        question="MINE question",
        summary="THEIRS summary",
        found="all",
        satisfaction="good",
    )
    shown = recommend_in(visit, 2, reason="THEIRS reason")
    SessionNoteFactory(help_session=visit, body="THEIRS note")
    code = code_for(visit)
    handover.hand_over(visit, by=staff, at=NOW, base_url="http://x", to_address="Sam@Example.org")
    conversation_keeping.keep(visit, by=patron, at=NOW, wording="yes", language="en")
    record_verdict(shown[0], verdict="helped", comment="MINE comment", at=NOW)
    conversation = actions.ask(
        by=patron, at=NOW, body="MINE message", language="en", client_token=uuid.uuid4(), branch=branch
    )
    items = [ChosenItem(item=ItemFactory(), reason="THEIRS reason")]
    actions.reply(
        conversation,
        by=staff,
        side="staff",
        at=NOW,
        body="THEIRS answer",
        language="en",
        client_token=uuid.uuid4(),
        items=items,
    )
    attached = attach_to(conversation.messages.filter(side="patron").get())
    notes.write_note(
        conversation, by=staff, at=NOW, body=f"@{coordinator.name} THEIRS note", client_token=uuid.uuid4()
    )
    other = actions.ask(
        by=patron, at=NOW, body="MINE other", language="en", client_token=uuid.uuid4(), help_session=visit
    )
    joined = actions.ask(
        by=patron, at=NOW, body="MINE third", language="en", client_token=uuid.uuid4(), branch=branch
    )
    merging.merge(joined, into=other, by=staff, at=NOW)
    verdicts.take_verdict(
        shown[1], verdict="did_not_help", why="too_hard", comment="MINE complaint", by=patron, at=NOW
    )
    drafts.save_draft(
        conversation,
        person=patron,
        side="patron",
        kind="reply",
        client_token=uuid.uuid4(),
        sequence=1,
        body="MINE draft",
        at=NOW,
    )
    drafts.save_draft(
        conversation,
        person=staff,
        side="staff",
        kind="reply",
        client_token=uuid.uuid4(),
        sequence=1,
        body="THEIRS draft",
        at=NOW,
    )
    save(shown[0].item, patron=patron, at=NOW, recommendation=shown[0])
    LibraryCard.objects.create(person=patron, ils_id="MINE id", barcode="MINE card", seen_at=NOW)
    PasskeyFactory(person=patron, name="MINE key")
    InvitationFactory(name="MINE name", email=patron.email, invited_by=coordinator, branch=branch)
    save_refused_post(patron, path="/", fields={"body": ["MINE refused"]}, at=NOW)
    audit.record(
        "looked_up",
        patron,
        by=coordinator,
        patron=patron,
        at=NOW,
        where="people",
        reason="THEIRS reason to look",
    )
    exports.ask_for(patron, language="en", at=NOW)
    exports.build_exports(at=timezone.now())
    visit.refresh_from_db()
    return {
        "visit": visit,
        "conversation": conversation,
        "file": attached.file.name,
        "copy": Export.objects.get().file.name,
        "code": code,
    }


@pytest.fixture
def other_patron(branch, staff):
    """Return another person with rows in the same library."""
    other = UserFactory(name="Somebody Else", email="else@example.org")
    visit = HelpSessionFactory(branch=branch, staff=staff, question="ELSE question", patron=other)
    recommend_in(visit)
    conversation = actions.ask(
        by=other, at=NOW, body="ELSE message", language="en", client_token=uuid.uuid4(), help_session=visit
    )
    actions.reply(
        conversation,
        by=staff,
        side="staff",
        at=NOW,
        body="ELSE answer",
        language="en",
        client_token=uuid.uuid4(),
    )
    save(ItemFactory(), patron=other, at=NOW)
    return other


def erase(person, **more):
    return erasure.erase(person, language="en", at=more.pop("at", timezone.now()))


class TestDeletion:
    def test_no_row_and_no_text_of_a_patron_exists_after_the_erasure(
        self, patron, life, other_patron, me, django_capture_on_commit_callbacks
    ):
        assert everything.occurrences_of(["MINE", "THEIRS", patron.name, patron.email, "sam.second"]) != set()
        with django_capture_on_commit_callbacks(execute=True):
            erase(patron)
        [mail] = Notification.objects.filter(kind="privacy/erased")
        delivery.Outgoing().deliver(mail, Library.current())
        outbox.mark_delivered(mail, at=timezone.now())
        assert everything.pointing_at(patron) == []
        assert (
            everything.occurrences_of(
                ["MINE", "THEIRS", patron.name, patron.email, "sam.second", str(patron.public_id)]
            )
            == set()
        )
        assert (private_storage().exists(life["file"]), private_storage().exists(life["copy"])) == (
            False,
            False,
        )

    def test_erasing_a_patron_changes_no_data_of_other_people(self, patron, life, other_patron):
        before = everything.rows()
        erase(patron)
        after = everything.rows()
        for label in (
            "conversations.Message",
            "recommendations.Recommendation",
            "helpsessions.HelpSession",
            "conversations.Conversation",
            "lists.SavedItem",
        ):
            for pk, row in before[label].items():
                if str(other_patron.pk) in (row.get("patron_id"), row.get("author_id")) or "ELSE" in str(row):
                    assert after[label][pk] == row
        assert after["accounts.User"][other_patron.pk] == before["accounts.User"][other_patron.pk]
        assert after["recommendations.Item"] == before["recommendations.Item"]

    def test_erasing_a_patron_changes_only_columns_listed_for_erasure(self, patron, life, other_patron):
        before = everything.rows()
        erase(patron)
        after = everything.rows()
        changed = {
            (label, column)
            for label, rows in before.items()
            for pk, row in rows.items()
            for column in row
            if pk in after[label] and row[column] != after[label][pk][column]
        }
        listed = {
            (label, apps.get_model(label)._meta.get_field(name).attname)
            for label, groups in columns.ERASED.items()
            for name in f"{groups[columns.EMPTIED]} {groups.get(columns.CHANGED, '')}".split()
        }
        assert changed - listed == {("conversations.BranchQueue", "version")}

    def test_erasing_a_patron_empties_all_columns_that_the_columns_file_lists_as_emptied(self, patron, life):
        given = list(Recommendation.objects.filter(patron=patron))
        own = Conversation.objects.filter(patron=patron, merged_into=None)
        rows = [life["visit"], *given, *own, *ClaimCode.objects.filter(help_session=life["visit"])]
        erase(patron)
        assert len(rows) > 4
        for row in rows:
            row.refresh_from_db()
            names = columns.ERASED[row._meta.label][columns.EMPTIED].split()
            assert [name for name in names if getattr(row, name)] == []

    def test_erased_visit_is_still_in_the_statistics_with_times_rounded_to_the_day(self, patron, life):
        erase(patron)
        visit = HelpSession.objects.get(pk=life["visit"].pk)
        assert (
            visit.status,
            visit.patron,
            visit.question,
            visit.summary,
            visit.found,
            visit.satisfaction,
        ) == ("recorded", None, "", "", "all", "good")
        assert (visit.staff, visit.public_id == life["visit"].public_id) == (None, False)
        zone = Library.current().zone
        times = [
            moment.astimezone(zone) for moment in (visit.created_at, visit.handed_over_at, visit.kept_at)
        ]
        assert [(moment.hour, moment.minute) for moment in times] == [(0, 0)] * 3
        links = Recommendation.objects.filter(sessionrecommendation__help_session=visit).order_by("pk")
        assert [(row.verdict, row.why, row.comment, row.reason) for row in links] == [
            ("helped", "", "", ""),
            ("did_not_help", "too_hard", "", ""),
        ]

    def test_erased_visit_has_no_codes_and_gets_no_new_codes(self, patron, life, staff):
        erase(patron)
        assert not ClaimCode.objects.filter(help_session=life["visit"]).exists()
        with pytest.raises(handover.CodeForgotten):
            handover.open_by_code(life["code"], at=NOW)
        with pytest.raises(keeping.Forgotten):
            handover.hand_over(life["visit"], by=staff, at=NOW, base_url="http://x")
        with pytest.raises(keeping.Forgotten):
            keeping.keep(life["visit"], by=UserFactory(), at=NOW, wording="yes", language="en")

    def test_audit_events_of_an_erased_person_lose_the_name_but_are_not_deleted(self, patron, life):
        done = list(AuditEvent.objects.filter(patron=patron).values_list("action", flat=True))
        assert "kept" in done
        erase(patron)
        assert not AuditEvent.objects.filter(patron=patron.pk).exists()
        assert set(done) <= set(AuditEvent.objects.values_list("action", flat=True))

    def test_erasing_a_patron_signs_out_all_devices_of_the_patron(self, patron, me, sign_in):
        elsewhere = sign_in(Client(), patron)
        # A sign-in by code creates UserSession rows, but this test signs in without a code.
        for browser in (me, elsewhere):
            UserSession.objects.create(user=patron, session_key=browser.session.session_key, ip="127.0.0.1")
        assert UserSession.objects.filter(user=patron).count() == 2
        erase(patron)
        assert not Session.objects.exists()
        for browser in (me, elsewhere):
            assert not browser.get(reverse("me")).wsgi_request.user.is_authenticated

    def test_sign_in_code_emailed_before_an_erasure_stops_working(self, patron, me, client, settings):
        use_outbox(settings)
        browser = Client()
        browser.post(reverse("sign_in"), {"email": patron.email})
        code = [
            word
            for word in Notification.objects.get(kind="account/mail").text.split()
            if word.isdigit() and len(word) == 6
        ][0]
        erase(patron)
        assert not Notification.objects.exclude(kind="privacy/erased").exists()
        answer = browser.post(reverse("account_confirm_login_code"), {"code": code}, follow=True)
        assert answer.status_code == 200
        assert not answer.wsgi_request.user.is_authenticated
        assert not User.objects.filter(email=patron.email).exists()

    def test_browser_session_of_an_unfinished_sign_in_expires_within_a_day(self, client, patron):
        client.post(reverse("sign_in"), {"email": patron.email})
        [session] = Session.objects.all()
        assert session.expire_date <= timezone.now() + datetime.timedelta(days=1)


def statistics():
    """Return all values that the reports use."""
    what = "branch happened_on mode question_type topic read_level minutes people found satisfaction quiet status"
    sessions = HelpSession.objects.values_list(*what.split())
    decided = Recommendation.objects.values_list(
        "item", "branch", "topic", "question_type", "verdict", "why", "starred"
    )
    conversations = Conversation.objects.filter(merged_into=None).values_list(
        "branch", "topic", "reason", "opened_at"
    )
    stages = [
        HelpSession.objects.filter(**{f"{stage}__isnull": False}).count()
        for stage in ("handed_over_at", "kept_at", "answered_at")
    ]
    return sorted(map(str, sessions)), sorted(map(str, decided)), sorted(map(str, conversations)), stages


def test_erasing_a_patron_does_not_change_the_statistics(patron, life, other_patron):
    before = statistics()
    erase(patron)
    assert statistics() == before


class TestAtomicity:
    def test_erasure_that_fails_changes_nothing(
        self, patron, life, me, monkeypatch, django_capture_on_commit_callbacks
    ):
        before = everything.rows()

        def broken(*args, **kwargs):
            raise RuntimeError

        monkeypatch.setattr(erasure, "_send_receipt", broken)
        with django_capture_on_commit_callbacks(execute=True), pytest.raises(RuntimeError):
            erase(patron)
        assert everything.rows() == before
        assert (private_storage().exists(life["file"]), private_storage().exists(life["copy"])) == (
            True,
            True,
        )

    def test_erasure_is_retried_if_a_new_row_appears_during_the_erasure(self, patron, monkeypatch):
        tries = []

        def in_between(person, *, language, at):
            tries.append(1)
            if len(tries) < 3:
                raise IntegrityError
            return "receipt"

        monkeypatch.setattr(erasure, "_erase", in_between)
        assert erase(patron) == "receipt"
        tries.clear()
        monkeypatch.setattr(erasure, "ATTEMPTS_MAX", 2)
        with pytest.raises(IntegrityError):
            erase(patron)

    def test_worker_deletes_files_that_an_erasure_failed_to_delete(
        self, patron, life, monkeypatch, django_capture_on_commit_callbacks
    ):
        def stuck(*args):
            raise PermissionError("read-only file system")

        with monkeypatch.context() as patch:
            patch.setattr(private_storage().__class__, "delete", stuck)
            with django_capture_on_commit_callbacks(execute=True):
                erase(patron)
        assert not Attachment.objects.exists()
        assert (private_storage().exists(life["file"]), private_storage().exists(life["copy"])) == (
            True,
            True,
        )
        later = timezone.now() + datetime.timedelta(hours=2)
        attachments.forget_stray_files(at=later)
        exports.forget_stray_exports(at=later)
        assert (private_storage().exists(life["file"]), private_storage().exists(life["copy"])) == (
            False,
            False,
        )

    def test_erase_page_says_that_nothing_was_erased_if_staff_have_just_merged_the_record(
        self, patron, staff, me, monkeypatch
    ):
        into = UserFactory()
        really_erase = erasure._erase

        def erase_after_a_merge(*args, **options):
            merge_people(patron, into, by=staff, at=timezone.now())
            return really_erase(*args, **options)

        monkeypatch.setattr(erasure, "_erase", erase_after_a_merge)
        answer = me.post(ERASE)
        assert (answer.status_code, "Nothing was erased" in text(answer)) == (409, True)
        assert f'href="{reverse("sign_in")}?next={ERASE}"' in answer.content.decode()
        assert Erasure.objects.count() == 0
        assert "_auth_user_id" not in me.session
        monkeypatch.undo()
        erase(into)
        with pytest.raises(erasure.AlreadyErased):
            erase(patron)

    def test_person_cannot_be_erased_twice(self, patron):
        erase(patron)
        with pytest.raises(erasure.AlreadyErased):
            erase(patron)
        assert Erasure.objects.count() == 1

    def test_messages_and_verdicts_are_refused_after_an_erasure(self, patron, life, staff):
        [shown] = Recommendation.objects.filter(verdict="did_not_help")
        before = list(Message.objects.values_list("pk", flat=True))
        erase(patron)
        assert before
        say = {"at": timezone.now(), "language": "en", "body": "TOO LATE BY NOW"}
        for late in (
            lambda: actions.reply(
                life["conversation"], by=staff, side="staff", client_token=uuid.uuid4(), **say
            ),
            lambda: actions.reply(
                life["conversation"], by=patron, side="patron", client_token=uuid.uuid4(), **say
            ),
            lambda: actions.ask(by=patron, recommendation=shown, client_token=uuid.uuid4(), **say),
            lambda: actions.ask(by=patron, help_session=life["visit"], client_token=uuid.uuid4(), **say),
            lambda: actions.ask(by=patron, client_token=uuid.uuid4(), **say),
            lambda: verdicts.take_verdict(
                shown, verdict="helped", why="", comment="TOO LATE BY NOW", by=patron, at=timezone.now()
            ),
        ):
            with pytest.raises(actions.Erased):
                late()
        assert everything.occurrences_of(["TOO LATE BY NOW"]) == set()


class TestErasePages:
    def test_erase_page_lists_what_is_deleted_and_requires_reauthentication(
        self, client, sign_in, patron, life
    ):
        sign_in(client, patron)
        page = client.get(ERASE).content.decode()
        assert "4 messages" in page
        assert "2 conversations" in page
        assert 'id="erase"' not in page
        assert client.post(ERASE).url == f"{reverse('reauthenticate')}?next=%2Fprivacy%2Ferase%2F"
        assert User.objects.filter(pk=patron.pk).exists()
        assert 'id="erase"' in reauthenticate(client).get(ERASE).content.decode()

    def test_erase_button_deletes_the_account_and_shows_the_receipt(self, me, patron, life):
        answer = me.post(ERASE)
        receipt = Erasure.objects.get()
        assert answer.url == reverse("erased", args=[receipt.public_id])
        assert answer.headers["Clear-Site-Data"] == '"cache", "cookies", "storage"'
        page = Client().get(answer.url)
        assert "4 messages" in text(page)
        assert receipt.counts["messages"] == 4
        assert not User.objects.filter(pk=patron.pk).exists()
        assert Client().get(reverse("erased", args=[uuid.uuid4()])).status_code == 404

    def test_erase_request_for_an_already_deleted_account_redirects(self, me, patron):
        User.objects.filter(pk=patron.pk).delete()
        assert me.post(ERASE).status_code == 302

    def test_patron_without_an_email_must_reauthenticate_before_erasing_the_account(
        self, client, sign_in, library
    ):
        person = UserFactory(email=None)
        sign_in(client, person)
        assert client.post(ERASE).url.startswith(reverse("reauthenticate"))
        client.post(f"{reverse('reauthenticate')}?next={ERASE}", {"confirm": "1"})
        assert client.post(ERASE).url.startswith("/privacy/erased/")
        assert not Notification.objects.exists()

    def test_staff_member_cannot_erase_their_account_until_the_role_is_removed(
        self, client, sign_in, staff, branch
    ):
        visit = HelpSessionFactory(patron=staff, branch=branch)
        reauthenticate(sign_in(client, staff))
        assert "ask a coordinator" in text(client.get(ERASE))
        answer = client.post(ERASE)
        assert (answer.status_code, "ask a coordinator" in text(answer)) == (409, True)
        assert User.objects.filter(pk=staff.pk).exists()
        StaffRole.objects.filter(user=staff).delete()
        assert client.post(ERASE).url.startswith("/privacy/erased/")
        visit.refresh_from_db()
        assert visit.patron is None

    def test_answers_of_an_erased_staff_member_lose_the_author_but_are_not_deleted(
        self, staff, patron, branch
    ):
        conversation = actions.ask(
            by=patron, at=NOW, body="Hi", language="en", client_token=uuid.uuid4(), branch=branch
        )
        answer = actions.reply(
            conversation, by=staff, side="staff", at=NOW, body="Yes", language="en", client_token=uuid.uuid4()
        )
        StaffRole.objects.filter(user=staff).delete()
        erase(staff)
        answer.refresh_from_db()
        assert (answer.author, answer.body) == (None, "Yes")


class TestReceiptEmail:
    @pytest.fixture
    def mail(self, patron):
        erase(patron)
        return Notification.objects.get()

    def test_erasure_receipt_email_is_deleted_from_the_outbox_after_delivery(self, mail, patron):
        assert (mail.to_address, mail.recipient) == (patron.email, None)
        assert str(Erasure.objects.get().public_id) in mail.text
        taken = outbox.take_next(at=timezone.now())
        outbox.mark_delivered(taken, at=timezone.now())
        assert not Notification.objects.exists()

    def test_receipt_email_that_cannot_be_delivered_contains_nothing_about_the_person(self, mail):
        taken = outbox.take_next(at=timezone.now())
        outbox.mark_failed(taken, at=timezone.now(), error="later")
        assert Notification.objects.exists()
        taken = outbox.take_next(at=timezone.now() + datetime.timedelta(hours=1))
        outbox.mark_failed(taken, at=timezone.now(), error="never", permanent=True)
        row = Notification.objects.get()
        assert (row.kind, row.state, row.last_error) == ("privacy/erased", "dead", "never")
        assert (row.to_address, row.subject, row.text, row.html, row.headers) == ("", "", "", "", {})
        assert row.recipient is None

    def test_erasure_receipt_is_not_emailed_to_an_unconfirmed_address(self, patron):
        EmailAddress.objects.create(user=patron, email=patron.email, verified=False)
        erase(patron)
        assert not Notification.objects.exists()


def test_person_erased_during_their_own_request_is_redirected_to_the_signed_out_page(
    me, patron, library, monkeypatch
):
    def meanwhile(*args, **kwargs):
        erase(patron)
        raise User.DoesNotExist

    monkeypatch.setattr(actions, "ask", meanwhile)
    answer = me.post(
        reverse("ask"),
        {"body": "A question", "client_token": str(uuid.uuid4()), "branch": library.default_branch_id},
    )
    assert answer.url == reverse("signed_out")


def test_question_page_shows_an_error_and_the_typed_text_if_the_item_was_just_erased(
    me, patron, staff, branch, monkeypatch
):
    [shown] = recommend_in(HelpSessionFactory(patron=patron, staff=staff, branch=branch))

    def meanwhile(*args, **kwargs):
        raise actions.Erased

    monkeypatch.setattr(actions, "reply", meanwhile)
    answer = me.post(
        reverse("ask_about_item", args=[shown.public_id]),
        {"body": "Still my words", "client_token": str(uuid.uuid4())},
    )
    assert answer.status_code == 409
    assert "This visit or item was just deleted" in text(answer)
    assert "Still my words" in answer.content.decode()
    assert not Conversation.objects.exists()


@pytest.mark.parametrize("what", ["person", "visit", "conversation", "contact"])
def test_legal_hold_prevents_erasing_the_person(me, patron, life, coordinator, what):
    """Set a legal hold on the person, the visit, the conversation or the contact.

    The contact is the help session that the desk recorded for the conversation. Without the hold, erasing the
    person would delete the text of the contact.
    """
    contact = HelpSessionFactory(branch=life["visit"].branch, question="The desk's words")
    Conversation.objects.filter(pk=life["conversation"].pk).update(logged_as=contact)
    record = {
        "person": patron,
        "visit": life["visit"],
        "conversation": life["conversation"],
        "contact": contact,
    }[what]
    hold = holds.hold(record, reason="Case 12", by=coordinator, at=NOW)
    before = everything.rows()
    with pytest.raises(erasure.HeldByLaw):
        erase(patron)
    answer = me.post(ERASE)
    assert (answer.status_code, "Case 12" in text(answer)) == (409, False)
    assert 'id="erase"' not in answer.content.decode()
    after = everything.rows()
    assert {label: rows for label, rows in after.items() if label != "sessions.Session"} == {
        label: rows for label, rows in before.items() if label != "sessions.Session"
    }
    holds.lift(hold, by=coordinator, at=NOW)
    assert me.post(ERASE).url.startswith("/privacy/erased/")
    assert everything.pointing_at(patron) == []
