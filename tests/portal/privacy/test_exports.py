"""Test that a person can request and download an export, and that the export is deleted after seven days."""

import csv
import datetime
import errno
import io
import json
import os
import re
import time
import uuid
import zipfile
from pathlib import Path

import pytest
from allauth.account.models import EmailAddress
from django.conf import settings
from django.core.files.base import ContentFile
from django.urls import reverse
from django.utils import timezone

from accounts import audit
from accounts.models import AuditEvent, User, private_storage
from accounts.sign_in.access import REAUTHENTICATED_AT
from portal import worker
from portal.conversations import actions, drafts, jobs, notes
from portal.conversations.models import Attachment
from portal.notifications.models import FailingAddress, Notification
from portal.notifications.writing import write
from portal.privacy import contents, exports
from portal.privacy.models import Export
from portal.privacy.policy import POLICY
from portal.text import spreadsheet_cell
from recommendations.chosen_items import ChosenItem
from tests.factories import (
    ExportFactory,
    HelpSessionFactory,
    ItemFactory,
    QuietSessionFactory,
    SessionNoteFactory,
    UserFactory,
    attach_to,
    code_for,
    pdf_file,
    recommend_in,
)
from tests.portal.pages import HTMX, text

NOW = datetime.datetime(2026, 11, 20, 15, tzinfo=datetime.UTC)
COPY = reverse("export")


@pytest.fixture
def me(client, patron, sign_in):
    return reauthenticate(sign_in(client, patron))


def files_in_exports():
    return set(private_storage().listdir("exports")[1]) if private_storage().exists("exports") else set()


def reauthenticate(client):
    session = client.session
    session[REAUTHENTICATED_AT] = time.time()
    session.save()
    return client


def build(person, *, at=None, language="en"):
    """Request an export, let the worker build it, and return the archive."""
    at = at or timezone.now()
    export = exports.ask_for(person, language=language, at=at)
    exports.build_exports(at=at)
    export.refresh_from_db()
    assert (export.state, export.done) == ("ready", export.total)
    with export.file.open("rb") as file:
        return zipfile.ZipFile(io.BytesIO(file.read()))


def data(archive):
    return json.loads(archive.read("data.json"))


def table(archive, name):
    return list(csv.DictReader(io.StringIO(archive.read(f"csv/{name}.csv").decode("utf-8-sig"))))


def lines(page):
    return " ".join(text(page).split())


class TestContents:
    def test_export_has_one_table_for_each_model_that_the_policy_exports(self):
        assert sorted(table.model for table in contents.TABLES.values()) == sorted(
            label for label, line in POLICY.items() if line.exported
        )

    def test_export_contains_the_patrons_data_as_json_and_csv_with_attached_files(
        self, patron, staff, branch
    ):
        visit = HelpSessionFactory(patron=patron, staff=staff, branch=branch, question="Bins?\nOn a balcony")
        [given] = recommend_in(visit, reason="because it is short")
        conversation = actions.ask(
            by=patron,
            at=NOW,
            body="What about flies?",
            language="en",
            client_token=uuid.uuid4(),
            help_session=visit,
        )
        attached = attach_to(conversation.messages.get(), pdf_file(name="flies.pdf"))
        archive = build(patron)
        assert archive.testzip() is None
        said = data(archive)
        assert (said["format"], said["version"], said["library"]) == (
            "afterword-export",
            2,
            "Harbour Library",
        )
        [found] = said["visits"]
        assert (found["id"], found["question"], found["helper"], found["branch"]) == (
            str(visit.public_id),
            "Bins?\nOn a balcony",
            "Rosa Lindqvist",
            branch.name,
        )
        assert [(row["title"], row["reason"]) for row in said["recommendations"]] == [
            (given.item.title, "because it is short")
        ]
        assert [(row["from"], row["text"]) for row in said["messages"]] == [("you", "What about flies?")]
        [file] = said["attachments"]
        assert (file["name"], archive.read(file["file"])) == ("flies.pdf", pdf_file().read())
        for name in contents.TABLES:
            assert table(archive, name) == [
                {column: spreadsheet_cell(value) for column, value in row.items()} for row in said[name]
            ]
        assert sorted(archive.namelist()) == sorted(
            [
                "README.txt",
                "data.json",
                f"attachments/{attached.public_id}.pdf",
                *(f"csv/{name}.csv" for name in contents.TABLES),
            ]
        )

    def test_export_contains_the_address_that_emails_cannot_reach(self, patron):
        FailingAddress.objects.create(person=patron, email=patron.email, failed_at=NOW)
        other = UserFactory(email="other@example.org")
        FailingAddress.objects.create(person=other, email=other.email, failed_at=NOW, off_at=NOW)
        [row] = data(build(patron))["failing_addresses"]
        assert (row["email"], row["no_more_notices_since"]) == (patron.email, None)

    def test_export_contains_no_staff_notes_and_no_texts_of_other_people(self, patron, staff, branch):
        visit = HelpSessionFactory(patron=patron, staff=staff, branch=branch)
        SessionNoteFactory(help_session=visit, body="SECRET of the desk")
        conversation = actions.ask(
            by=patron, at=NOW, body="Mine", language="en", client_token=uuid.uuid4(), help_session=visit
        )
        notes.write_note(conversation, by=staff, at=NOW, body="SECRET note", client_token=uuid.uuid4())
        drafts.save_draft(
            conversation,
            person=staff,
            side="staff",
            kind="reply",
            client_token=uuid.uuid4(),
            sequence=1,
            body="SECRET draft",
            at=NOW,
        )
        actions.ask(
            by=UserFactory(),
            at=NOW,
            body="SECRET of another",
            language="en",
            client_token=uuid.uuid4(),
            branch=branch,
        )
        quiet = QuietSessionFactory(staff=staff, branch=branch, question="SECRET quiet")
        actions.ask(
            by=patron,
            at=NOW,
            body="SECRET quiet question",
            language="en",
            client_token=uuid.uuid4(),
            help_session=quiet,
        )
        audit.record(
            "looked_up",
            patron,
            by=staff,
            patron=patron,
            at=NOW,
            where="people",
            reason="SECRET reason to look",
        )
        archive = build(patron)
        everything = b"".join(archive.read(name) for name in archive.namelist()).decode()
        assert "Mine" in everything
        assert "SECRET" not in everything

    def test_export_for_a_staff_member_contains_no_data_from_desk_work(
        self, staff, coordinator, patron, branch
    ):
        conversation = actions.ask(
            by=patron, at=NOW, body="SECRET", language="en", client_token=uuid.uuid4(), branch=branch
        )
        drafts.save_draft(
            conversation,
            person=staff,
            side="staff",
            kind="reply",
            client_token=uuid.uuid4(),
            sequence=1,
            body="SECRET draft",
            at=NOW,
        )
        notes.write_note(
            conversation, by=coordinator, at=NOW, body=f"@{staff.name} SECRET", client_token=uuid.uuid4()
        )
        assert Notification.objects.filter(recipient=staff).exists()
        archive = build(staff)
        said = data(archive)
        assert [row["role"] for row in said["staff_roles"]] == ["staff"]
        assert (said["messages"], said["drafts"], said["mails"]) == ([], [], [])
        assert str(conversation.public_id) not in archive.read("data.json").decode()

    def test_export_contains_no_trace_of_a_pending_answer(self, patron, staff, branch):
        now = timezone.now()
        conversation = actions.ask(
            by=patron,
            at=now - datetime.timedelta(hours=1),
            body="Hi",
            language="en",
            client_token=uuid.uuid4(),
            branch=branch,
        )
        before = data(build(patron))
        Export.objects.all().delete()
        AuditEvent.objects.all().delete()
        items = [ChosenItem(item=ItemFactory(), reason="SECRET")]
        actions.reply(
            conversation,
            by=staff,
            side="staff",
            at=timezone.now(),
            body="SECRET",
            language="en",
            client_token=uuid.uuid4(),
            items=items,
            then="close",
        )
        after = data(build(patron))
        for said in (before, after):
            said.pop("made_at")
            said["who_looked"], said["mails"] = (
                [],
                [mail for mail in said["mails"] if mail["subject"] != "Your copy is ready"],
            )
        assert after == before

    def test_export_contains_no_sign_in_codes_from_emails(self, patron):
        for blank in (True, False):
            write(
                kind="account/mail",
                to=patron.email,
                recipient=patron,
                at=NOW,
                language="en",
                subject="Hi",
                text="123456",
                blank=blank,
            )
        assert [(mail["to"], mail["text"]) for mail in data(build(patron))["mails"]] == [
            (patron.email, ""),
            (patron.email, "123456"),
        ]

    def test_readme_of_an_export_is_in_the_patrons_language(self, patron):
        readme = build(patron, language="es").read("README.txt").decode()
        assert "data.json" in readme
        assert "This is a copy" not in readme

    def test_export_with_a_missing_attachment_file_contains_everything_else(self, patron, branch):
        conversation = actions.ask(
            by=patron, at=NOW, body="Hi", language="en", client_token=uuid.uuid4(), branch=branch
        )
        lost = attach_to(conversation.messages.get())
        private_storage().delete(lost.file.name)
        archive = build(patron)
        assert [row["name"] for row in data(archive)["attachments"]] == ["shelf.jpg"]
        assert not [name for name in archive.namelist() if name.startswith("attachments/")]


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ('=HYPERLINK("http://evil.example")', '\'=HYPERLINK("http://evil.example")'),
        ("+1", "'+1"),
        ("-2+3", "'-2+3"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("  =1", "'  =1"),
        ("\t=1", "'\t'=1"),
        ("\tworms", "'\tworms"),
        *((f"{space}=1", f"'{space}=1") for space in "\u00a0\u2003\u200b\u3000\ufeff\u2028\u0085"),
        ("\u3000worms", "\u3000worms"),
        *((f"{sign}1", f"'{sign}1") for sign in "＝＋－＠﹦﹢﹣﹫"),
        ("a=1", "a=1"),
        # In many languages, spreadsheets split a file at semicolons, and end a row at a quoted line break.
        ("a;=1;b", "a;'=1;b"),
        ("a; \u200b+1", "a;' \u200b+1"),
        ('a;"=1;', "a;'\"=1;"),
        ("a\n@SUM(A1);", "a\n'@SUM(A1);"),
        ("a\t-1\r=1", "a\t'-1\r'=1"),
        ("a;b\n\nc; d", "a;b\n\nc; d"),
        ("", ""),
        (None, ""),
        (-5, "-5"),
        (True, "True"),
    ],
)
def test_csv_cells_cannot_run_as_formulas(value, cell):
    assert spreadsheet_cell(value) == cell


class TestRequesting:
    def test_worker_builds_the_export_and_emails_only_a_link(self, me, patron, branch):
        actions.ask(by=patron, at=NOW, body="MATTER", language="en", client_token=uuid.uuid4(), branch=branch)
        assert me.post(COPY).url == COPY
        assert "We're making your copy" in lines(me.get(COPY))
        worker.Worker().round()
        assert "Download the copy" in lines(me.get(COPY))
        mail = Notification.objects.get(kind="privacy/export_ready")
        assert (mail.to_address, mail.recipient) == (patron.email, patron)
        assert f"{COPY}\n" in mail.text
        assert "MATTER" not in mail.subject + mail.text + mail.html

    def test_email_about_a_finished_export_is_not_sent_to_an_unconfirmed_address(self, patron):
        EmailAddress.objects.create(user=patron, email=patron.email, verified=False)
        build(patron)
        assert not Notification.objects.exists()

    def test_second_export_request_within_an_hour_starts_no_new_export(self, patron):
        first = exports.ask_for(patron, language="en", at=NOW)
        assert exports.ask_for(patron, language="en", at=NOW + datetime.timedelta(minutes=5)) == first
        exports.build_exports(at=NOW + datetime.timedelta(minutes=5))
        assert (
            exports.ask_for(patron, language="en", at=timezone.now() + datetime.timedelta(minutes=59))
            == first
        )
        assert (
            exports.ask_for(patron, language="en", at=timezone.now() + datetime.timedelta(minutes=61))
            != first
        )

    def test_finished_export_replaces_the_older_export(self, patron, django_capture_on_commit_callbacks):
        old = ExportFactory(person=patron, asked_at=NOW, ready_at=NOW)
        new = exports.ask_for(patron, language="en", at=timezone.now())
        assert private_storage().exists(old.file.name)
        with django_capture_on_commit_callbacks(execute=True):
            exports.build_exports(at=timezone.now())
        assert list(Export.objects.all()) == [new]
        assert not private_storage().exists(old.file.name)

    def test_requesting_an_export_requires_reauthentication(self, client, patron, sign_in):
        sign_in(client, patron)
        assert client.post(COPY).url == f"{reverse('reauthenticate')}?next=%2Fprivacy%2Fcopy%2F"
        assert not Export.objects.exists()
        page = client.get(COPY).content.decode()
        assert 'id="prove"' in page
        assert 'id="make-copy"' not in page

    def test_poll_of_the_export_page_has_no_content_until_there_is_progress(self, me, patron):
        export = exports.ask_for(patron, language="en", at=NOW)
        assert me.get(COPY, {"since": "waiting-0"}, **HTMX).status_code == 204
        Export.objects.filter(pk=export.pk).update(state="building", done=3, total=20)
        part = me.get(COPY, {"since": "waiting-0"}, **HTMX).content.decode()
        assert part.startswith("\n") or part.startswith("  <section") or part.lstrip().startswith("<section")
        assert "3 of 20 steps" in part
        assert 'data-poll="/privacy/copy/?since=building-3"' in part


class TestDownloading:
    @pytest.fixture
    def export(self, patron):
        return ExportFactory(person=patron)

    @pytest.fixture
    def address(self, export):
        return reverse("export_file", args=[export.public_id])

    def test_patron_can_download_their_own_export(self, me, address, patron):
        response = me.get(address)
        assert b"".join(response.streaming_content) == b"a copy"
        assert response.headers["Content-Disposition"].startswith("attachment;")
        assert response.headers["Cache-Control"] == "private, no-store"
        assert AuditEvent.objects.filter(action="downloaded_export", patron=patron, by=patron).exists()

    @pytest.mark.parametrize("who", ["another patron", "staff", "coordinator"])
    def test_other_patrons_and_staff_get_404_for_a_patrons_export(
        self, client, address, sign_in, staff, coordinator, who
    ):
        reauthenticate(
            sign_in(
                client, {"another patron": UserFactory(), "staff": staff, "coordinator": coordinator}[who]
            )
        )
        assert client.get(address).status_code == 404

    def test_viewer_with_only_a_code_must_sign_in_to_download_an_export(self, client, address, show_code):
        show_code(client, code_for(HelpSessionFactory()))
        assert client.get(address).url.startswith(reverse("sign_in"))

    def test_downloading_an_export_requires_reauthentication(self, client, address, patron, sign_in):
        sign_in(client, patron)
        assert client.get(address).url == COPY
        assert not AuditEvent.objects.exists()

    def test_export_can_be_downloaded_for_seven_days_and_is_then_deleted(
        self, me, export, address, django_capture_on_commit_callbacks
    ):
        week = datetime.timedelta(days=7)
        Export.objects.filter(pk=export.pk).update(
            ready_at=timezone.now() - week + datetime.timedelta(minutes=5)
        )
        assert b"".join(me.get(address).streaming_content)
        Export.objects.filter(pk=export.pk).update(ready_at=timezone.now() - week)
        assert me.get(address).status_code == 404
        with django_capture_on_commit_callbacks(execute=True):
            exports.forget_old_exports(at=timezone.now())
        assert not Export.objects.exists()
        assert not private_storage().exists(export.file.name)

    def test_download_is_complete_even_if_the_export_is_deleted_meanwhile(
        self, me, export, address, django_capture_on_commit_callbacks
    ):
        size = export.size
        answer = me.get(address)
        with django_capture_on_commit_callbacks(execute=True):
            exports.forget_all_of(export.person)
        assert len(b"".join(answer.streaming_content)) == size
        assert me.get(address).status_code == 404

    def test_download_of_an_export_without_a_file_is_404_and_is_not_recorded(
        self, me, export, address, monkeypatch
    ):
        """Delete the file after the view has found the row, as another process could."""
        monkeypatch.setattr(type(private_storage()), "exists", lambda *_: True)
        private_storage().delete(export.file.name)
        assert me.get(address).status_code == 404
        assert not AuditEvent.objects.filter(action="downloaded_export").exists()


class TestFailures:
    @pytest.fixture
    def export(self, patron):
        return exports.ask_for(patron, language="en", at=NOW)

    def state(self, export):
        export.refresh_from_db()
        return export.state, export.attempts

    @pytest.mark.slow
    def test_export_page_reports_a_failure_after_three_attempts_on_a_full_disk(self, export, me, monkeypatch):
        def full(*args):
            raise OSError("No space left on device")

        monkeypatch.setattr(private_storage().__class__, "save", full)
        at = timezone.now()
        for attempt in (1, 2, 3):
            exports.build_exports(at=at + attempt * datetime.timedelta(minutes=10))
            assert self.state(export) == ("waiting" if attempt < 3 else "failed", attempt)
        assert "We couldn't make your copy" in lines(me.get(COPY))
        monkeypatch.undo()
        assert exports.ask_for(export.person, language="en", at=at) != export

    def test_export_on_a_full_disk_leaves_no_file_and_logs_one_line(self, export, monkeypatch, caplog):
        def write_half(path, content):
            half = private_storage().path(path)
            os.makedirs(os.path.dirname(half), exist_ok=True)
            Path(half).write_bytes(b"half")
            raise OSError(errno.ENOSPC, "No space left on device")

        before = files_in_exports()
        monkeypatch.setattr(private_storage().__class__, "_save", lambda self, *args: write_half(*args))
        exports.build_exports(at=NOW)
        assert files_in_exports() == before
        [line] = caplog.records
        assert line.getMessage().endswith("tried again in a minute: [Errno 28] No space left on device")
        assert line.exc_info is None
        monkeypatch.undo()
        exports.build_exports(at=timezone.now() + datetime.timedelta(minutes=10))
        assert self.state(export) == ("ready", 2)

    def test_another_worker_builds_the_export_that_a_killed_worker_began(self, export):
        Export.objects.filter(pk=export.pk).update(
            state="building", attempts=1, leased_until=NOW + exports.LEASE
        )
        exports.build_exports(at=NOW + exports.LEASE - datetime.timedelta(seconds=1))
        assert self.state(export) == ("building", 1)
        exports.build_exports(at=NOW + exports.LEASE)
        assert self.state(export) == ("ready", 2)

    def test_export_fails_after_three_workers_are_killed(self, export):
        Export.objects.filter(pk=export.pk).update(
            state="building", attempts=3, leased_until=NOW + exports.LEASE
        )
        exports.build_exports(at=NOW + exports.LEASE)
        assert self.state(export) == ("failed", 3)

    def test_export_file_is_deleted_if_the_person_is_deleted_while_the_file_is_built(
        self, export, patron, branch, monkeypatch
    ):
        conversation = actions.ask(
            by=patron, at=NOW, body="Hi", language="en", client_token=uuid.uuid4(), branch=branch
        )
        attach_to(conversation.messages.get())
        before = files_in_exports()
        add_file = exports._add_file

        def delete_person_meanwhile(archive, *file):
            add_file(archive, *file)
            Attachment.objects.all().delete()
            User.objects.filter(pk=patron.pk).delete()

        monkeypatch.setattr(exports, "_add_file", delete_person_meanwhile)
        exports.build_exports(at=timezone.now())
        assert not Export.objects.exists()
        assert not Notification.objects.exists()
        assert files_in_exports() == before

    def test_export_file_without_a_database_row_is_deleted_after_an_hour(self, patron):
        known = ExportFactory(person=patron).file.name
        stray = private_storage().save(f"exports/{uuid.uuid4()}.zip", ContentFile(b"left behind"))
        exports.forget_stray_exports(at=timezone.now())
        assert private_storage().exists(stray)
        exports.forget_stray_exports(at=timezone.now() + datetime.timedelta(hours=2))
        assert (private_storage().exists(known), private_storage().exists(stray)) == (True, False)

    def test_worker_later_deletes_an_export_file_that_could_not_be_deleted_with_its_row(
        self, patron, monkeypatch, django_capture_on_commit_callbacks
    ):
        export = ExportFactory(person=patron, ready_at=NOW - datetime.timedelta(days=8))

        def stuck(*args):
            raise PermissionError("read-only file system")

        with monkeypatch.context() as patch:
            patch.setattr(private_storage().__class__, "delete", stuck)
            with django_capture_on_commit_callbacks(execute=True):
                exports.forget_old_exports(at=NOW)
        assert not Export.objects.exists()
        assert private_storage().exists(export.file.name)
        exports.forget_stray_exports(at=timezone.now() + datetime.timedelta(hours=2))
        assert not private_storage().exists(export.file.name)


@pytest.mark.slow
@pytest.mark.parametrize("rows", [1, 30])
def test_export_runs_the_same_number_of_queries_for_1_and_30_visits(
    patron, staff, branch, rows, django_assert_num_queries
):
    visits = HelpSessionFactory.create_batch(rows, patron=patron, staff=staff, branch=branch)
    for visit in visits:
        recommend_in(visit)
        conversation = actions.ask(
            by=patron, at=NOW, body="Hi", language="en", client_token=uuid.uuid4(), help_session=visit
        )
        actions.reply(
            conversation, by=staff, side="staff", at=NOW, body="Yes", language="en", client_token=uuid.uuid4()
        )
    jobs.show_pending_answers(at=timezone.now())
    # One more query finds out whether the person's address is confirmed.
    with django_assert_num_queries(len(contents.TABLES) + 4):
        for one in contents.TABLES.values():
            list(contents.entries(one, patron, timezone.now()))


def test_export_documentation_lists_exactly_the_tables_and_columns():
    documented, name = {}, ""
    for line in (settings.BASE_DIR / "docs/export.md").read_text().split("## The tables")[1].splitlines():
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        if len(cells) == 3 and "`" in cells[1]:
            name = cells[0].strip("`") or name
            documented.setdefault(name, []).extend(re.findall(r"`(\w+)`", cells[1]))
    assert documented == {name: list(table.columns) for name, table in contents.TABLES.items()}
