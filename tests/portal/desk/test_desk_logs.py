"""Test the pages where a coordinator imports a desk log: upload, mapping, preview, import and undo."""

import datetime
import os
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts import audit
from accounts.models import private_storage
from portal.counts.models import LogImport, OwnCount, TopicCount
from portal.desk.library.log_to_map import LOG_TO_MAP
from portal.helpsessions.models import HelpSession, OwnField
from portal.imports.desk_logs import work, workbooks, writing
from portal.imports.desk_logs.describing import Fate
from portal.imports.desk_logs.notes import read_notes
from portal.imports.lock import catalog_lock
from portal.imports.models import LogUpload, SavedMapping
from portal.uploads import MAX_BYTES_BY_FIELD
from tests.factories import (
    BranchFactory,
    HelpSessionFactory,
    PatronGroupFactory,
    ServicePointFactory,
    StaffFactory,
    TopicFactory,
)
from tests.portal.imports.desk_logs.files import as_csv, as_xlsx
from tests.portal.imports.desk_logs.logs import libanswers, with_difficulties
from tests.portal.imports.desk_logs.test_import_help_sessions import stored
from tests.portal.imports.desk_logs.test_reading import zeros
from tests.portal.pages import HTMX, text

pytestmark = [pytest.mark.sql, pytest.mark.django_db]
PAGE = "/desk/settings/desk-logs/"
HEADER = ["Date", "Time", "Type", "Mode", "Minutes"]
ROW = ["3/14/2024", "2:30 PM", "Reference", "Phone", "10"]


@pytest.fixture(autouse=True)
def private_folder(tmp_path, monkeypatch):
    """Store private files in a folder of this test."""
    storage = private_storage()
    for name in ("base_location", "location"):
        monkeypatch.setitem(vars(storage), name, str(tmp_path))


@pytest.fixture
def commits(django_capture_on_commit_callbacks):
    """Return a function that makes a context manager. When the context ends, all on_commit hooks run."""
    return lambda: django_capture_on_commit_callbacks(execute=True)


@pytest.fixture
def desk(client, sign_in, coordinator):
    return sign_in(client, coordinator)


@pytest.fixture
def west(branch):
    return BranchFactory(name="West", slug="west")


def upload(desk, contents, name="log.csv", **extra):
    """Upload the rows or bytes, and return the response after all redirects."""
    contents = contents if isinstance(contents, bytes) else as_csv(contents)
    return desk.post(PAGE, {"desk_log": SimpleUploadedFile(name, contents)}, follow=True, **extra)


class Fields(HTMLParser):
    """A parser that collects {name: value} of the last form of a page, as a browser would post the form."""

    def __init__(self):
        super().__init__()
        self.found, self.select = {}, ""

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if tag == "form":
            self.found = {}
        elif tag == "select":
            self.select = attrs["name"]
        elif tag == "option" and (self.select not in self.found or "selected" in attrs):
            self.found[self.select] = attrs["value"]
        elif tag == "input" and (attrs["type"] == "text" or "checked" in attrs):
            self.found[attrs["name"]] = attrs.get("value", "")


def fields_of(page):
    fields = Fields()
    fields.feed(page.content.decode())
    return fields.found


def send(desk, page, button="", **changes):
    """Post the form of this page, with `changes`. Return the response after all redirects."""
    return desk.post(page.request["PATH_INFO"], fields_of(page) | changes, follow=True)


def to_preview(desk, contents, name="log.csv", **changes):
    """Upload the log, accept the guessed columns, and post the form of values. Return the preview page."""
    values = send(desk, upload(desk, contents, name))
    return send(desk, values, **changes)


def press_import(desk):
    return desk.post(f"{PAGE}{LogUpload.objects.latest('pk').public_id}/import/", follow=True)


def files():
    storage = private_storage()
    return sorted(storage.listdir("desk-logs")[1]) if storage.exists("desk-logs") else []


def test_coordinator_can_upload_preview_import_and_undo_a_desk_log(desk, coordinator):
    before = stored()
    page = upload(desk, [HEADER, ROW, ROW])
    assert "Columns of the log" in text(page)
    page = send(desk, page)
    assert "Values of the log" in text(page)
    page = send(desk, page)
    assert "New contacts 2" in text(page)
    assert "Date the date (2 of 2 rows)" in text(page)
    assert stored() == before
    page = press_import(desk)
    assert "The import is complete New contacts 2" in text(page)
    assert HelpSession.objects.count() == 2
    page = desk.get(PAGE)
    assert "log.csv complete 2 contacts from March 14, 2024 to March 14, 2024" in text(page)
    assert coordinator.name in text(page)
    undo = f"{PAGE}imports/{LogImport.objects.get().public_id}/undo/"
    assert "2 contacts are removed from all figures" in text(desk.get(undo))
    assert "Undone. 2 contacts were removed." in text(desk.post(undo, follow=True))
    assert stored() == before


@pytest.mark.parametrize(
    ("name", "encoded"),
    [
        ("log.csv", as_csv),
        ("log.xlsx", as_xlsx),
        ("log.csv", lambda rows: as_csv(rows, encoding="cp1252")),
        ("log.csv", lambda rows: as_csv(rows, encoding="utf-16")),
        ("log.csv", lambda rows: as_csv(rows, delimiter=";")),
    ],
    ids=["csv", "xlsx", "windows-1252", "utf-16", "semicolons"],
)
def test_realistic_desk_log_of_500_rows_can_be_imported_through_the_pages(desk, branch, west, name, encoded):
    HelpSessionFactory(branch=west, happened_on=datetime.date(2024, 1, 2))
    before = stored()
    page = upload(desk, encoded(with_difficulties(libanswers(500))), name)
    assert "This looks like an export of LibAnswers" in text(page)
    page = send(desk, send(desk, page), branch=branch.slug, **{"place-3-0": f"branch:{branch.pk}"})
    assert "New contacts 495 Rows of totals, skipped 1 Rows that fail 5" in text(page)
    assert "is not a day of the calendar" in text(page)
    assert (
        "Staff already recorded contacts here on 1 of these days, so some contacts may count twice."
        in text(page)
    )
    assert "January 2, 2024 1 0" in text(page)
    assert "Question left out, because it can contain what people asked or wrote" in text(page)
    assert "Ticket # left out, because it is empty" in text(page)
    assert "January 2024 " in text(page)
    page = press_import(desk)
    assert "New contacts 495" in text(page)
    log_import = LogImport.objects.get()
    assert (log_import.added, log_import.file_name) == (495, name)
    desk.post(f"{PAGE}imports/{log_import.public_id}/undo/")
    assert stored() == before


def test_imported_desk_log_leaves_no_free_text_in_the_database_or_in_files(desk, branch, west, commits):
    with commits():
        to_preview(desk, libanswers(60), branch=branch.slug, **{"place-3-0": f"branch:{branch.pk}"})
    row = LogUpload.objects.get()
    everything = f"{stored()} {vars(row)}".lower()
    assert [word for word in ("secret", "maria", "café", "quoted") if word in everything] == []
    with commits():
        press_import(desk)
    assert files() == []


def test_result_page_of_an_import_links_to_the_figures_of_the_months_in_the_log(desk, branch):
    to_preview(desk, [HEADER, ROW, ["5/20/2024", *ROW[1:]]])
    page = press_import(desk)
    address = page.content.decode().partition('id="see-figures" href="')[2].partition('"')[0]
    figures = desk.get(address.replace("&amp;", "&"))
    assert address == f"{reverse('figures')}?first_day=2024-03-01&amp;last_day=2024-05-31"
    assert figures.context["figure"].total.contacts == 2
    # If the URL has no period, the page shows the last month of the log, because nothing else is counted.
    assert desk.get(reverse("figures")).context["period"] == "May 2024"
    assert "The desk's figures for May 2024" in text(desk.get(reverse("director")))


def test_row_of_totals_is_not_offered_as_a_value_and_the_only_branch_is_preselected(desk, branch):
    header = [*HEADER, "Branch", "Patron Type"]
    rows = [[*ROW, "Reference Desk 2nd Fl", "Adult"], ["Total", "3000", "", "", "", "3000", ""]]
    upload(desk, [header, *rows])
    page = desk.get(f"{PAGE}{LogUpload.objects.get().public_id}/values/")
    form = page.context["form"]
    asked = {
        name: [(field.label, field.initial) for field in fields] for name, _title, _of, fields in form.groups
    }
    assert asked["place"] == [("Reference Desk 2nd Fl", f"branch:{branch.pk}")]
    assert [field.name for field in form.others] == []
    assert "Your library has no patron groups, so this column isn't counted." in text(page)
    assert "With service points, contacts can be counted by the place in a branch too." in text(page)
    PatronGroupFactory()
    ServicePointFactory(branch=branch)
    page = text(desk.get(f"{PAGE}{LogUpload.objects.get().public_id}/values/"))
    assert "Your library has no patron groups" not in page
    assert "With service points, contacts can be counted" not in page


def test_letters_and_digits_of_private_text_in_a_desk_log_are_masked(desk):
    page = text(
        upload(
            desk,
            [
                ["Date", "Type", "Entered By", "Question", "Contact"],
                ["3/14/2024", "Reference", "Maria Lopez", "Where is Ana?", "ana@example.org"],
            ],
        )
    )
    assert "Date 3/14/2024" in page
    assert "Type Reference" in page
    assert "Entered By Aaaaa Aaaaa" in page
    assert "Contact aaa@aaaaaaa.aaa" in page
    assert [word for word in ("Maria", "Lopez", "Ana?", "ana@") if word in page] == []


def test_files_of_an_upload_are_readable_only_by_the_system_user_of_the_portal(desk):
    upload(desk, [HEADER, ROW])
    row = LogUpload.objects.get()
    modes = {oct(Path(private_storage().path(name)).stat().st_mode & 0o777) for name in row.stored_names}
    assert (len(row.stored_names), modes) == (2, {"0o600"})


@pytest.mark.parametrize("who", ["coordinator", "staff"])
def test_colleagues_cannot_open_an_upload_of_a_coordinator(desk, sign_in, branch, who):
    to_preview(desk, [HEADER, ROW, ["", "", "", "", ""], [*ROW[:4], "long"]])
    row = LogUpload.objects.get()
    other = sign_in(Client(), StaffFactory(name="Omar", branch=branch, branch__role=who))
    for part in ("", "columns/", "values/", "failed-rows/"):
        assert other.get(f"{PAGE}{row.public_id}/{part}").status_code == 404
    for part in ("import/", "delete/"):
        assert other.post(f"{PAGE}{row.public_id}/{part}").status_code == 404
    if who == "coordinator":
        assert "log.csv" not in text(other.get(PAGE))
    assert other.get(PAGE).status_code == (200 if who == "coordinator" else 404)


def test_failed_rows_can_be_downloaded_and_corrected_and_uploaded_again(desk, commits):
    with commits():
        to_preview(desk, [HEADER, ROW, [*ROW[:4], "long"]])
        page = press_import(desk)
    assert "Download the rows that failed" in text(page)
    row = LogUpload.objects.get()
    assert files() == [Path(row.failed.name).name]
    answer = desk.get(f"{PAGE}{row.public_id}/failed-rows/")
    assert answer["Cache-Control"] == "private, no-store"
    assert "attachment" in answer["Content-Disposition"]
    contents = b"".join(answer.streaming_content)
    assert "Minutes: “long” is not a duration" in contents.decode("utf-8-sig")
    corrected = contents.replace(b"Phone,long", b"Phone,10")
    assert "New contacts 1" in text(upload(desk, corrected, "failed rows.csv"))
    press_import(desk)
    assert HelpSession.objects.count() == 2


ANSWERED = {"column-0": "day", "column-1": "question_type", "column-2": "mode", "column-3": "duration"}
OWN_WORDS = [
    ["When", "Kind of thing", "Through", "Long"],
    ["1/6/2024", "Quick one", "Kiosk", "5"],
    ["2/6/2024", "Quick one", "Maria Lopez", "5"],
    ["13/6/2024", "Quick one", "Kiosk", "long"],
    ["14/6/2024", "Quick one", "Maria Lopez", "long"],
]


@pytest.fixture
def failed_again(desk, commits):
    """Import OWN_WORDS, where two rows fail. Return the file of failed rows, with both rows corrected."""
    answers = {"question_type-1-0": "directional", "mode-2-0": "in_person", "mode-2-1": "phone"}
    with commits():
        page = send(desk, upload(desk, OWN_WORDS, "year.csv"), **ANSWERED)
        send(desk, page, **answers)
        press_import(desk)
    row = LogUpload.objects.get()
    answer = desk.get(f"{PAGE}{row.public_id}/failed-rows/")
    return b"".join(answer.streaming_content).replace(b"long", b"7").replace(b"13/6/", b"3/6/")


def test_corrected_rows_are_imported_with_the_mapping_of_the_import_in_which_they_failed(desk, failed_again):
    without_name = b"".join(line for line in failed_again.splitlines(True) if b"Maria" not in line)
    page = upload(desk, without_name, "failed rows.csv")
    assert "These rows failed in the import of “year.csv”, so your answers from that import are used" in text(
        page
    )
    assert "New contacts 1" in text(page)
    press_import(desk)
    session = HelpSession.objects.latest("pk")
    assert (session.question_type, session.mode, session.minutes) == ("directional", "in_person", 7)
    # Only the dates of the first file show that the day comes before the month. The corrected date, 3/6, could
    # mean both.
    assert session.happened_on == datetime.date(2024, 6, 3)


def test_corrected_rows_keep_the_order_of_day_and_month_of_each_date_column(desk, commits):
    rows = [
        ["Timestamp", "Date if not today", "Duration"],
        ["1/25/2020 10:18:38", "25/12/2020", "5"],
        ["1/26/2020 10:18:38", "3/2/2020", "long"],
    ]
    with commits():
        to_preview(desk, rows)
        press_import(desk)
    answer = desk.get(f"{PAGE}{LogUpload.objects.get().public_id}/failed-rows/")
    corrected = b"".join(answer.streaming_content).replace(b"long", b"7")
    upload(desk, corrected, "failed rows.csv")
    press_import(desk)
    days = HelpSession.objects.order_by("pk").values_list("happened_on", flat=True)
    assert list(days) == [datetime.date(2020, 12, 25), datetime.date(2020, 2, 3)]


def test_answers_stored_for_rows_that_failed_contain_no_names_of_people(desk, failed_again):
    answers = LogImport.objects.get().answers
    assert answers["values"]["mode"] == {"kiosk": "in_person"}
    assert "maria" not in stored()["LogImport"].lower()
    page = upload(desk, failed_again, "failed rows.csv")
    assert "These rows failed in the import of “year.csv”" in text(page)
    assert {name: fields_of(page)[name] for name in ANSWERED} == ANSWERED
    values = send(desk, page)
    assert (fields_of(values)["mode-2-0"], fields_of(values)["mode-2-1"]) == ("in_person", "")
    assert fields_of(values)["question_type-1-0"] == "directional"
    assert "New contacts 2" in text(send(desk, values, **{"mode-2-1": "phone"}))


def test_upload_of_corrected_rows_asks_for_the_columns_again_after_the_import_was_undone(desk, failed_again):
    desk.post(f"{PAGE}imports/{LogImport.objects.get().public_id}/undo/")
    page = text(upload(desk, failed_again))
    assert "Columns of the log" in page
    assert "These rows failed in the import" not in page


def test_preview_says_that_a_chosen_column_is_empty_in_the_file_of_failed_rows(desk, commits):
    TopicFactory(name="History")
    with commits():
        to_preview(desk, [[*HEADER, "Topic"], [*ROW, "History"], [*ROW[:4], "long", ""]])
        press_import(desk)
    row = LogUpload.objects.get()
    failed = b"".join(desk.get(f"{PAGE}{row.public_id}/failed-rows/").streaming_content)
    assert "Topic left out, because it is empty" in text(upload(desk, failed))


def test_answers_about_a_log_are_stored_with_an_import_only_if_rows_failed(desk):
    to_preview(desk, [HEADER, ROW])
    press_import(desk)
    assert LogImport.objects.get().answers == {}


def test_worker_checks_a_large_file_of_corrected_rows_without_asking_for_its_columns(
    desk, failed_again, monkeypatch
):
    monkeypatch.setattr(work, "SMALL_BYTES", 10)
    without_name = b"".join(line for line in failed_again.splitlines(True) if b"Maria" not in line)
    page = upload(desk, without_name)
    assert "Reading the file" in text(page)
    work.do_all()
    row = LogUpload.objects.latest("pk")
    assert (row.task, "New contacts 1" in text(desk.get(f"{PAGE}{row.public_id}/"))) == ("", True)


@pytest.mark.parametrize(
    ("contents", "words"),
    [
        (b"%PDF-1.7\n" + b"x" * 100, "The file is a PDF document. Save the desk log as CSV (UTF-8)"),
        (b"", "The file is empty. Export the desk log again."),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 100, "The file is an old Excel file (.xls)"),
        (as_csv([HEADER]), "The file has the names of the columns, but no rows below them."),
    ],
    ids=["pdf", "empty", "xls", "only names"],
)
def test_unusable_desk_log_is_refused_with_the_reason_and_what_to_do_next(desk, contents, words, commits):
    page = upload(desk, contents)
    assert words in text(page)
    with commits():
        desk.post(f"{PAGE}{LogUpload.objects.get().public_id}/delete/")
    assert (LogUpload.objects.count(), files()) == (0, [])


def test_zip_bomb_is_refused(desk, monkeypatch):
    monkeypatch.setattr(workbooks, "UNPACKED_MAX", 20_000_000)
    page = upload(desk, zeros(30_000_000).getvalue(), "log.xlsx")
    assert "The workbook is larger than 19 MB when it is unpacked." in text(page)
    assert HelpSession.objects.count() == 0


def test_error_about_a_desk_log_that_is_too_large_says_what_to_do_next(desk, monkeypatch):
    monkeypatch.setitem(MAX_BYTES_BY_FIELD, "desk_log", 10)
    page = upload(desk, [HEADER, ROW])
    assert "Export and import one year at a time" in text(page)
    assert (LogUpload.objects.count(), files()) == (0, [])


def test_upload_without_a_file_is_a_form_error(desk):
    page = desk.post(PAGE, {})
    assert (page.status_code, "Choose the file of the desk log." in text(page)) == (422, True)


def test_sixth_upload_is_refused_until_an_earlier_upload_is_imported_or_deleted(desk):
    for _time in range(5):
        upload(desk, [HEADER, ROW])
    assert "Import or delete the files that you uploaded before." in text(upload(desk, [HEADER, ROW]))
    assert LogUpload.objects.count() == 5


def test_page_asks_for_the_order_of_day_and_month_and_saves_the_answer_for_the_next_file(desk):
    rows = [["Date", "Kind of thing"], ["1/6/2024", "Quick one"]]
    page = send(desk, upload(desk, rows), **{"column-1": "question_type"})
    assert "Do the dates in “Date” begin with the day or with the month?" in text(page)
    page = send(desk, page)
    assert page.status_code == 422
    assert "Choose the day or the month. Otherwise, contacts would be counted on the wrong days." in text(
        page
    )
    assert "Say what this value means here." in text(page)
    answers = {"order": "day first", "question_type-1-0": "directional", "save_as": "Old log"}
    assert "New contacts 1" in text(send(desk, page, **answers))
    press_import(desk)
    assert HelpSession.objects.get().happened_on == datetime.date(2024, 6, 1)
    saved = SavedMapping.objects.get()
    assert (saved.name, saved.mapping["usual_order"]) == ("Old log", "day first")
    page = upload(desk, [["Date", "Kind of thing"], ["2/6/2024", "Quick one"]])
    page = desk.post(page.request["PATH_INFO"], {"saved": saved.pk}, follow=True)
    assert "New contacts 1" in text(page)
    press_import(desk)
    assert HelpSession.objects.latest("pk").happened_on == datetime.date(2024, 6, 2)


def test_column_with_many_values_cannot_become_a_choice_list(desk):
    rows = [["Date", "About"], *[[f"1/{16 + place % 10}/2024", f"About {place}"] for place in range(40)]]
    page = send(desk, upload(desk, rows), **{"column-1": "topic"})
    assert (page.status_code, "more than 30 different values" in text(page)) == (422, True)


def test_two_columns_of_a_log_cannot_be_the_same_field(desk):
    rows = [["Date", "Day of entry"], ["1/16/2024", "1/17/2024"]]
    page = send(desk, upload(desk, rows), **{"column-1": "day"})
    assert "The column “Date” already has this meaning. Leave out one of the two columns." in text(page)


def test_one_column_of_a_log_must_be_the_date(desk):
    page = send(desk, upload(desk, [HEADER, ROW]), **{"column-0": ""})
    assert (page.status_code, "Say which column has the date." in text(page)) == (422, True)


def test_column_of_a_log_is_left_out_if_none_of_its_values_is_a_choice_in_the_library(desk):
    page = to_preview(desk, [[*HEADER, "Patron type"], [*ROW, "Alien"]])
    assert "Patron type left out, because none of its values is a choice in your library" in text(page)


def test_log_with_100_columns_can_be_mapped(desk):
    names = [*HEADER, *[f"Extra {number}" for number in range(95)]]
    page = to_preview(desk, [names, [*ROW, *["x"] * 95]])
    assert "New contacts 1" in text(page)


def test_importing_the_same_file_again_adds_no_contacts(desk):
    to_preview(desk, [HEADER, ROW])
    press_import(desk)
    page = to_preview(desk, [HEADER, ROW])
    assert "New contacts 0 Already imported 1" in text(page)
    assert 'id="import-log"' not in page.content.decode()


def test_preview_warns_that_chats_may_be_counted_twice(desk):
    page = to_preview(desk, [["Ticket #", *HEADER], ["T-1", *ROW]])
    assert "This file looks like an export of chats or tickets." in text(page)


def test_large_log_is_read_checked_and_imported_by_the_worker(desk, monkeypatch):
    monkeypatch.setattr(work, "SMALL_BYTES", 10)
    page = upload(desk, [HEADER, ROW])
    assert "Reading the file" in text(page)
    row = LogUpload.objects.get()
    address, poll = f"{PAGE}{row.public_id}/", re.search(r'data-poll="([^"]+)"', page.content.decode())[1]
    assert desk.get(poll, **HTMX).status_code == 204
    assert work.has_work(timezone.now())
    work.do_all()
    assert desk.get(poll, **HTMX)["HX-Refresh"] == "true"
    page = send(desk, send(desk, desk.get(address, follow=True)))
    assert "Trying out the import" in text(page)
    work.do_all()
    assert "New contacts 1" in text(desk.get(address))
    assert "Importing" in text(press_import(desk))
    work.do_all()
    assert "The import is complete" in text(desk.get(address))
    assert not work.has_work(timezone.now())


def test_import_of_a_desk_log_waits_until_another_import_has_ended(desk):
    to_preview(desk, [HEADER, ROW])
    with catalog_lock("harvest"):
        assert "when another import has ended" in text(press_import(desk))
    LogUpload.objects.update(leased_until=None)
    work.do_all()
    assert HelpSession.objects.count() == 1


def test_worker_continues_a_killed_import_without_starting_a_second_import(desk, branch, west, monkeypatch):
    monkeypatch.setattr(writing, "BATCH", 20)
    monkeypatch.setattr(work, "SMALL_ROWS", 10)
    upload(desk, libanswers(100))
    work.do_all()
    row = LogUpload.objects.get()
    page = send(desk, desk.get(f"{PAGE}{row.public_id}/columns/"))
    send(desk, page, branch=branch.slug, **{"place-3-0": f"branch:{branch.pk}"})
    work.do_all()
    press_import(desk)
    save, batches = writing._Writer._save, []

    def killed(self, *args):
        if len(batches) == 3:
            raise KeyboardInterrupt
        batches.append(1)
        save(self, *args)

    monkeypatch.setattr(writing._Writer, "_save", killed)
    with pytest.raises(KeyboardInterrupt):
        work.do_all()
    assert HelpSession.objects.count() == 60
    assert "not complete" in text(desk.get(PAGE))
    monkeypatch.setattr(writing._Writer, "_save", save)
    work.do_all()
    assert HelpSession.objects.count() == 60  # The killed process still has the lease of the log.
    LogUpload.objects.update(leased_until=timezone.now() - datetime.timedelta(seconds=1))
    work.do_all()
    assert (HelpSession.objects.count(), LogImport.objects.get().added) == (99, 99)
    assert "New contacts 99" in text(desk.get(f"{PAGE}{row.public_id}/"))


def test_undo_of_an_import_is_refused_and_names_the_later_import_that_replaced_rows(desk):
    for minutes in ("10", "15"):
        to_preview(desk, [["Ticket #", *HEADER], ["T-1", *ROW[:4], minutes]], f"log {minutes}.csv")
        press_import(desk)
    first = LogImport.objects.earliest("pk")
    page = desk.post(f"{PAGE}imports/{first.public_id}/undo/", follow=True)
    assert "First undo those imports, starting with the last one: log 15.csv" in text(page)
    assert LogImport.objects.count() == 2


def test_numbers_about_a_desk_log_have_thousands_separators(desk):
    date = Fate(name="Date", filled=1200, rows=5000, label="the date", values=3)
    assert date.words == "the date (1,200 of 5,000 rows), 3 different values"
    log = LogImport.objects.create(started_at=timezone.now(), ended_at=timezone.now(), added=1234)
    assert "1,234 contacts" in text(desk.get(PAGE))
    page = desk.post(f"{PAGE}imports/{log.public_id}/undo/", follow=True)
    assert "Undone. 1,234 contacts were removed." in text(page)


def test_large_import_is_undone_by_the_worker(desk, monkeypatch):
    to_preview(desk, [HEADER, ROW])
    press_import(desk)
    monkeypatch.setattr(work, "SMALL_ROWS", 0)
    page = desk.post(f"{PAGE}imports/{LogImport.objects.get().public_id}/undo/", follow=True)
    assert "The import will be undone in a few minutes." in text(page)
    assert "is being undone" in text(desk.get(PAGE))
    work.do_all()
    assert (HelpSession.objects.count(), LogImport.objects.count()) == (0, 0)


def test_uploads_and_failed_rows_are_deleted_after_a_day(desk, commits):
    with commits():
        to_preview(desk, [HEADER, ROW, [*ROW[:4], "long"]])
        press_import(desk)
    upload(desk, [HEADER, ROW])
    stray = private_storage().path("desk-logs/stray.log")
    Path(stray).write_bytes(b"x")
    os.utime(stray, (0, 0))
    work.forget_log_uploads(at=timezone.now())
    assert (LogUpload.objects.count(), len(files())) == (2, 3)
    with commits():
        work.forget_log_uploads(at=timezone.now() + LogUpload.KEPT_FOR)
    assert (LogUpload.objects.count(), files()) == (0, [])
    assert HelpSession.objects.count() == 1


def test_pressing_the_import_button_twice_imports_the_log_once(desk):
    to_preview(desk, [HEADER, ROW])
    press_import(desk)
    assert "The import is complete" in text(press_import(desk))
    assert (HelpSession.objects.count(), LogImport.objects.count()) == (1, 1)


def test_unknown_patron_group_in_a_log_counts_as_the_group_other(desk):
    PatronGroupFactory(name="Student")
    page = to_preview(desk, [[*HEADER, "Patron type"], [*ROW, "student"], [*ROW, "Alien"]])
    assert "Patron type the patron group (2 of 2 rows)" in text(page)


def test_meaning_of_a_value_in_one_column_is_not_used_for_another_column(desk):
    rows = [["Date", "Kind", "Sort"], ["3/14/2024", "Blue", "Red"]]
    page = send(desk, upload(desk, rows), **{"column-1": "question_type"})
    columns = f"{PAGE}{LogUpload.objects.get().public_id}/columns/"
    send(desk, desk.get(columns), **{"column-1": "", "column-2": "question_type"})
    answer = send(desk, page, **{"question_type-1-0": "reference"})
    assert (answer.status_code, "Say what this value means here." in text(answer)) == (422, True)


def test_upload_stores_what_each_value_of_the_desk_log_counts_as(desk):
    to_preview(desk, [HEADER, ROW], **{"question_type-2-0": "technology"})
    notes = read_notes(LogUpload.objects.get())
    assert notes.mapping.values["question_type"] == {"reference": "technology"}


@pytest.mark.parametrize("rows", [1, 30])
def test_list_of_desk_logs_runs_the_same_number_of_queries_for_1_and_30_imports(
    desk, coordinator, rows, django_assert_num_queries
):
    for number in range(rows):
        row = LogImport.objects.create(
            started_at=timezone.now(), ended_at=timezone.now(), file_name=f"{number}.csv"
        )
        audit.record("imported_desk_log", row, by=coordinator, at=timezone.now())
    desk.get(PAGE)
    with django_assert_num_queries(8):
        desk.get(PAGE)


def test_column_of_a_desk_log_can_be_counted_in_an_own_field_of_the_library(desk):
    medium = OwnField.objects.create(name="Medium")
    paper, screen = (medium.values.create(name=name) for name in ("Paper", "Screen"))
    header = [*HEADER, "Carrier"]
    page = upload(desk, [header, [*ROW, "paper"], [*ROW, "e-book"], [*ROW, "?"]])
    assert "Own field: Medium" in text(page)
    page = send(desk, page, **{"column-5": f"own-{medium.pk}"})
    assert fields_of(page)[f"own-{medium.pk}-5-0"] == str(paper.pk)
    preview = send(desk, page, **{f"own-{medium.pk}-5-1": str(screen.pk)})
    assert "Carrier Medium (3 of 3 rows), 2 different values" in text(preview)
    press_import(desk)
    counts = dict(OwnCount.objects.values_list("own_value", "contacts"))
    assert counts == {paper.pk: 1, screen.pk: 1}
    assert HelpSession.objects.count() == 3


def test_column_with_the_name_of_an_own_field_is_recognized(desk):
    medium = OwnField.objects.create(name="Medium")
    page = upload(desk, [[*HEADER, "medium"], [*ROW, "paper"]])
    assert fields_of(page)["column-5"] == f"own-{medium.pk}"


def test_retired_own_field_is_not_offered_as_the_meaning_of_a_column(desk):
    OwnField.objects.create(name="Medium", retired_at=timezone.now())
    assert "Own field" not in text(upload(desk, [HEADER, ROW]))


def test_log_value_for_which_no_topic_is_chosen_is_counted_without_a_topic(desk):
    topic = TopicFactory(name="History")
    values = send(desk, upload(desk, [[*HEADER, "Topic"], [*ROW, "History"]]))
    assert fields_of(values)["topic-5-0"] == str(topic.pk)
    send(desk, values, **{"topic-5-0": ""})
    press_import(desk)
    assert list(TopicCount.objects.values_list("topic", "contacts")) == [(None, 1)]


def test_column_is_recognized_by_its_values_if_its_name_is_unknown(desk):
    PatronGroupFactory(name="Residents")
    PatronGroupFactory(name="Students")
    rows = [["Date", "Kind of help", "Who came", "Weather"]]
    rows += [["3/14/2024", "reference", "student", "Sun"], ["3/15/2024", "Directions", "RESIDENT", "Rain"]]
    rows += [["3/16/2024", "Reference", "Students", "Rain"], ["3/17/2024", "Something else", "Alien", "Sun"]]
    fields = fields_of(upload(desk, rows))
    assert {name: fields[f"column-{place}"] for place, name in enumerate(rows[0])} == {
        "Date": "day",
        "Kind of help": "question_type",
        "Who came": "patron_group",
        "Weather": "",
    }


@pytest.mark.parametrize(
    "values",
    [
        ["Reference", "Directional", "Odd", "Strange"],
        ["Reference", "reference", "REFERENCE"],
        [*("Reference", "Directional") * 20, *(f"Value {number}" for number in range(35))],
    ],
    ids=["only half of them are known", "there is only one", "there are too many"],
)
def test_column_of_a_log_is_not_recognized_if_only_a_few_of_its_values_are_known(desk, values):
    page = upload(desk, [["Date", "Remark"], *[["3/14/2024", value] for value in values]])
    assert fields_of(page)["column-1"] == ""


def test_column_whose_name_suggests_private_text_is_not_recognized_by_its_values(desk):
    rows = [["Date", "Question"], ["3/14/2024", "Reference"], ["3/14/2024", "Directions"]]
    assert fields_of(upload(desk, rows))["column-1"] == ""


def test_column_recognized_by_name_keeps_its_meaning_if_another_one_has_known_values(desk):
    rows = [["Date", "Type", "Kind"], ["3/14/2024", "Odd", "Reference"], ["3/15/2024", "Odd", "Directional"]]
    fields = fields_of(upload(desk, rows))
    assert (fields["column-1"], fields["column-2"]) == ("question_type", "")


def test_column_that_the_coordinator_has_left_out_is_not_suggested_again(desk):
    rows = [["Date", "Kind"], ["3/14/2024", "Reference"], ["3/15/2024", "Directional"]]
    send(desk, upload(desk, rows), **{"column-1": ""})
    page = desk.get(f"{PAGE}{LogUpload.objects.get().public_id}/columns/")
    assert fields_of(page)["column-1"] == ""


def test_value_with_several_spellings_is_asked_about_once(desk):
    rows = [
        ["3/14/2024", "Odd one"],
        ["3/15/2024", "ODD  ONE"],
        ["3/16/2024", "odd one"],
        ["3/17/2024", "odd one"],
    ]
    page = send(desk, upload(desk, [["Date", "Type"], *rows]))
    assert "odd one 4 rows" in text(page)
    assert [name for name in fields_of(page) if name.startswith("question_type-")] == ["question_type-1-0"]
    page = send(desk, page, **{"question_type-1-0": "technology"})
    assert "Type the question type (4 of 4 rows), 1 different value" in text(page)
    press_import(desk)
    assert set(HelpSession.objects.values_list("question_type", flat=True)) == {"technology"}


def test_topic_whose_name_is_similar_to_the_value_in_the_log_is_preselected(desk):
    topic = TopicFactory(name="Jobs and careers")
    page = send(desk, upload(desk, [[*HEADER, "Topic"], [*ROW, "JOB and Career"]]))
    assert fields_of(page)["topic-5-0"] == str(topic.pk)


def test_page_of_values_says_how_bands_of_minutes_count(desk):
    rows = [[*ROW[:4], minutes] for minutes in ("15-30", "30+", "5-15 min", "10", "long")]
    page = text(send(desk, upload(desk, [HEADER, *rows])))
    assert (
        "A band of minutes counts as its middle: 5–15 as 10, 15–30 as 22. A band without an end counts as its "
        "start: 30+ as 30. So the sum of the minutes is an estimate."
    ) in page
    page = text(send(desk, upload(desk, [HEADER, ROW])))
    assert "A band" not in page


def test_answers_about_a_log_are_kept_while_the_coordinator_adds_a_service_point(desk, branch, west):
    topic = TopicFactory(name="History")
    header = ["When", "Kind", "Location", "Topic"]
    rows = [["1/6/2024", "Odd one", "Front", "History"], ["2/6/2024", "", "Kids desk", "History"]]
    page = send(desk, upload(desk, [header, *rows]), **{"column-0": "day", "column-1": "question_type"})
    assert fields_of(page)["topic-3-0"] == str(topic.pk)
    given = {"order": "day first", "question_type-1-0": "technology", "place-2-0": f"branch:{branch.pk}"}
    given |= {"topic-3-0": "", "question_type": "known_item", "mode": "chat", "save_as": "Old log"}
    page = send(desk, page, **given, leave="service_points", points_of="west")
    assert page.request["PATH_INFO"] == reverse("service_points", args=["west"])
    assert "Your answers about the desk log “log.csv” are kept." in text(page)
    page = desk.post(page.request["PATH_INFO"], {"name": "Kids' desk"}, follow=True)
    point = west.service_points.get()
    assert "Your answers about the desk log “log.csv” are kept." in text(page)
    values = desk.get(f"{PAGE}{LogUpload.objects.get().public_id}/values/")
    fields = fields_of(values)
    assert {name: fields[name] for name in given} == given
    assert fields["place-2-1"] == f"point:{point.pk}"
    # The coordinator is back on the page of values, so the page of service points no longer leads to it.
    assert "desk log" not in text(desk.get(reverse("service_points", args=["west"])))
    assert "New contacts 2" in text(send(desk, values))
    assert SavedMapping.objects.get().name == "Old log"


def test_answers_about_a_log_are_kept_while_the_coordinator_adds_a_patron_group(desk):
    page = send(desk, upload(desk, [[*HEADER, "Patron type"], [*ROW[:2], "Odd one", *ROW[3:], "Adult"]]))
    page = send(desk, page, leave="patron_groups", **{"question_type-2-0": "technology"})
    assert page.request["PATH_INFO"] == reverse("patron_groups")
    group = PatronGroupFactory(name="Adults")
    page = desk.get(re.search(r'id="back-to-log" href="([^"]+)"', page.content.decode())[1])
    fields = fields_of(page)
    assert (fields["question_type-2-0"], fields["patron_group-5-0"]) == ("technology", str(group.pk))


def test_page_of_service_points_links_back_to_a_log_only_for_the_coordinator_of_the_log(
    desk, branch, sign_in, commits
):
    page = send(desk, upload(desk, [[*HEADER, "Location"], [*ROW, "Front"]]))
    send(desk, page, leave="service_points", points_of=branch.slug)
    points = reverse("service_points", args=[branch.slug])
    kept = "Your answers about the desk log"
    assert kept in text(desk.get(points))
    other = sign_in(Client(), StaffFactory(name="Omar", branch=branch, branch__role="coordinator"))
    session = other.session
    session[LOG_TO_MAP] = desk.session[LOG_TO_MAP]
    session.save()
    assert kept not in text(other.get(points))
    with commits():
        desk.post(f"{PAGE}{LogUpload.objects.get().public_id}/delete/")
    assert kept not in text(desk.get(points))


def test_page_of_values_does_not_lead_to_the_service_points_of_an_unknown_branch(desk):
    page = send(desk, upload(desk, [HEADER, ROW]))
    assert send(desk, page, leave="service_points", points_of="moon").status_code == 404


FIGURES = ("figures", "director", "annual_survey")


@pytest.mark.parametrize("name", FIGURES)
def test_pages_of_figures_tell_coordinators_that_an_import_is_being_undone(desk, monkeypatch, name):
    to_preview(desk, [HEADER, ROW])
    press_import(desk)
    assert "desk log is" not in text(desk.get(reverse(name)))
    monkeypatch.setattr(work, "SMALL_ROWS", 0)
    desk.post(f"{PAGE}imports/{LogImport.objects.get().public_id}/undo/")
    assert (
        "An import of a desk log is being undone. Until that is complete, these numbers can include a part of it."
        in text(desk.get(reverse(name)))
    )
    work.do_all()
    assert "desk log is" not in text(desk.get(reverse(name)))


def test_page_of_figures_tells_only_coordinators_that_an_import_is_not_complete(
    desk, branch, sign_in, monkeypatch
):
    words = "An import of a desk log is not complete yet."
    to_preview(desk, [HEADER, ROW])
    monkeypatch.setattr(work, "SMALL_BYTES", 10)
    press_import(desk)
    assert words in text(desk.get(reverse("figures")))
    assert words not in text(sign_in(Client(), StaffFactory(branch=branch)).get(reverse("figures")))
    work.do_all()
    assert words not in text(desk.get(reverse("figures")))
    LogImport.objects.update(ended_at=None)
    assert words in text(desk.get(reverse("figures")))


def test_settings_offer_the_import_of_an_old_log_beside_the_annual_survey(desk):
    page = text(desk.get(reverse("settings")))
    places = [page.index(words) for words in ("See the annual survey", "Import an old log", "Add a branch")]
    assert places == sorted(places)
