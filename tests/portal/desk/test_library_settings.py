"""Test the settings pages of the library, which only coordinators can open."""

import datetime
import html
import io
import operator
import re

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from django.utils import timezone, translation
from PIL import Image

from accounts import library as actions
from accounts.models import AuditEvent, Branch, BranchCode, Library, LibraryCard, User
from portal.conversations import moved_promises
from portal.conversations.models import ReplyTemplate
from portal.counts.models import LogImport
from portal.desk.library.forms.branches import HoursForm
from portal.desk.library.urls import urlpatterns
from portal.desk.library.views import branches as branch_views
from portal.templatetags.portal import undo_url
from recommendations.models import Topic
from tests.factories import (
    BranchFactory,
    InvitationFactory,
    NotificationFactory,
    ReplyTemplateFactory,
    ServicePointFactory,
    UserFactory,
)
from tests.portal.imports.desk_logs.uploaded import uploaded
from tests.portal.pages import text
from tests.portal.surveys.rules import save_preset

pytestmark = pytest.mark.django_db


@pytest.fixture
def desk(client, coordinator, sign_in, library, settings, tmp_path):
    return sign_in(client, coordinator)


@pytest.fixture
def template(library):
    return ReplyTemplateFactory(name="On hold", body="Hello, {patron}! {item} is here. {me}")


LOG_PAGES = ("log_upload", "log_columns", "log_values", "import_log", "delete_log", "failed_rows")


def checked_log():
    """Return an uploaded desk log of the coordinator, with its preview and failed rows."""
    coordinator = User.objects.get(email="ines@example.org")
    log = uploaded(coordinator, [["Date", "Type"], ["1/16/2024", "Reference"]], stage="checked")
    log.failed.name = log.file.name
    log.save()
    return log


def address(name, branch, someone, template):
    invitation = InvitationFactory(branch=branch) if "invit" in name else None
    email = NotificationFactory(recipient=None, dead=True) if "email" in name else None
    code = BranchCode.objects.get_or_create(code="EAST")[0]
    rule_set = save_preset("pls", datetime.date(2026, 1, 1)) if "rule_set" in name else None
    log = checked_log() if "log" in name or name == "failed_rows" else None
    of = {
        **dict.fromkeys(LOG_PAGES, log),
        "undo_log_import": log and LogImport.objects.create(started_at=timezone.now()),
        "undelivered_email": email,
        "send_email_again": email,
        "invite_again": invitation,
        "withdraw_invitation": invitation,
        "person": someone,
        "end_role": someone,
        "email_reader": someone,
        "forget_second_factor": someone,
        "rule_set": rule_set,
        "remove_rule_set": rule_set,
        "reply_template": template,
        "remove_reply_template": template,
        "remove_branch_code": code,
    }
    if name == "tally_kinds":
        return f"{reverse(name, args=[branch.slug])}?point={ServicePointFactory(branch=branch).pk}"
    if name == "add_rule_set":
        return f"{reverse(name)}?survey=pls"
    return reverse(
        name,
        kwargs={"slug": branch.slug}
        if name in {"branch_settings", "branch_use", "restore_closed_day", "service_points"}
        else {"public_id": of[name].public_id}
        if name in of
        else {},
    )


@pytest.mark.few_cases
@pytest.mark.parametrize("name", [pattern.name for pattern in urlpatterns])
def test_only_coordinators_with_a_second_factor_can_open_the_settings(
    client, branch, patron, staff, coordinator, template, sign_in, name
):
    url = address(name, branch, staff, template)
    assert client.get(url)["Location"].startswith("/sign-in/")
    for person, second_factor, status in [(patron, True, 404), (staff, True, 404), (coordinator, False, 302)]:
        sign_in(client, person, second_factor=second_factor)
        assert client.get(url).status_code == status
        client.logout()
    response = sign_in(client, coordinator).get(url)
    # One of the settings URLs returns a file, which must be closed.
    response.close()
    assert response.status_code in {200, 405}


@pytest.mark.parametrize("is_set_up", [True, False])
def test_settings_page_says_what_is_set_up_on_the_server(desk, branch, settings, is_set_up):
    settings.ILS = "demo" if is_set_up else ""
    settings.SSO = settings.SSO | {"issuer": "https://login.example" if is_set_up else "", "name": "College"}
    kind = "smtp" if is_set_up else "console"
    settings.DELIVERY_EMAIL_BACKEND = f"django.core.mail.backends.{kind}.EmailBackend"
    how = "is" if is_set_up else "isn't"
    page = html.unescape(text(desk.get(reverse("settings"))))
    assert (
        f"Sign-in with a library card {how} set up. Single sign-on {how} set up. "
        f"Outgoing email {how} set up. Only the person who runs the server can change these settings."
    ) in page


def test_web_addresses_on_the_settings_page_can_wrap_between_their_parts(desk, library):
    library.catalog_link = "https://catalog.example/isbn/{isbn}"
    library.save()
    shown = "https://catalog<wbr>.example<wbr>/isbn<wbr>/{isbn}"
    assert shown in desk.get(reverse("settings")).content.decode()


@pytest.mark.parametrize(("ils", "has_card", "asks"), [("demo", False, 1), ("", True, 1), ("", False, 0)])
def test_desk_forms_ask_for_card_numbers_only_if_patrons_have_library_cards(
    desk, branch, settings, ils, has_card, asks
):
    settings.ILS = ils
    if has_card:
        card = {"ils_id": "7", "barcode": "21234", "seen_at": timezone.now()}
        LibraryCard.objects.create(person=UserFactory(), **card)
    for name in ("patrons", "record", "children_settings"):
        page = text(desk.get(reverse(name))).lower()
        words = "patron groups for children" if name == "children_settings" else "card number"
        words = "card number or email" if name == "record" else words
        assert page.count(words) == asks, name


LIBRARY = {
    "name": "Bay Library",
    "language": "es",
    "time_zone": "Europe/Madrid",
    "accent_color": "#aa3300",
    "catalog_link": "https://c.example.org/?q={isbn}",
    "catalog_title_link": "https://c.example.org/?title={title}",
    "proxy_prefix": "https://proxy.example.org/login?url=",
    "closes_after_days": "21",
    "released_after_days": "0",
    "year_starts_in": "7",
    "staff_figures": "own",
    "desk_locks_after_minutes": "3",
}


def test_library_settings_are_saved_and_the_change_is_logged(desk, coordinator, branch):
    assert desk.post(reverse("library_settings"), {**LIBRARY, "default_branch": branch.pk}).status_code == 302
    library = Library.current()
    assert (library.name, library.language, library.time_zone, library.accent_color) == (
        "Bay Library",
        "es",
        "Europe/Madrid",
        "#aa3300",
    )
    assert [library.catalog_link, library.catalog_title_link, library.proxy_prefix] == [
        LIBRARY[name] for name in ("catalog_link", "catalog_title_link", "proxy_prefix")
    ]
    assert (library.closes_after_days, library.released_after_days, library.desk_locks_after_minutes) == (
        21,
        0,
        3,
    )
    assert AuditEvent.objects.filter(action="changed_library", by=coordinator).exists()
    page = desk.get(reverse("settings")).content.decode()
    assert "21 days after the last answer" in page
    assert "never" in page


@pytest.mark.few_cases
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("accent_color", "red"),
        ("accent_color", "#12345g"),
        ("accent_color", "#fff;} body{display:none"),
        ("catalog_link", "javascript:alert('{isbn}')"),
        ("catalog_link", "https://c.example.org/"),
        ("catalog_link", "https://c.example.org/{password}"),
        ("catalog_link", "https://c.example.org/{"),
        ("catalog_link", "https://c.example.org/{isbn.__class__}"),
        ("catalog_link", "https://c.example.org/{isbn:>9999999}"),
        ("catalog_link", "https://c.example.org/{isbn!r}"),
        ("catalog_link", "https://c.example.org/{{isbn}}"),
        ("catalog_link", "http://c.example.org/{isbn}"),
        ("catalog_title_link", "https://c.example.org/?q={isbn}"),
        ("proxy_prefix", "https://proxy.example.org/"),
        ("time_zone", "Mars/Base"),
        ("time_zone", "Factory"),
        ("name", ""),
        ("name", "x" * 121),
        ("closes_after_days", "366"),
        ("closes_after_days", "-1"),
        ("year_starts_in", "13"),
        ("released_after_days", ""),
        ("released_after_days", "91"),
        ("released_after_days", "soon"),
        ("desk_locks_after_minutes", "0"),
        ("desk_locks_after_minutes", "61"),
    ],
)
def test_invalid_library_setting_shows_the_error_beside_the_field(desk, branch, field, value):
    page = desk.post(reverse("library_settings"), {**LIBRARY, "default_branch": branch.pk, field: value})
    assert page.status_code == 200
    assert f'id="id_{field}_error"' in page.content.decode()
    assert Library.current().name == "Harbour Library"


def sent_from(page, **typed):
    """Return the fields that the page of the library settings posts. `typed` replaces the shown values."""
    form = page.context["form"]
    return {field.name: field.value() for field in form} | shown_at_first(form) | typed


def shown_at_first(form):
    """Return the hidden fields, which contain the values that the page had when it was loaded."""
    return dict(re.findall(r'name="(initial-[^"]+)"(?: value="([^"]*)")?', "".join(map(str, form))))


def test_outdated_library_page_does_not_overwrite_a_colleagues_changes(desk, branch, library):
    library.default_branch = branch
    library.save()
    older = desk.get(reverse("library_settings"))
    desk.post(reverse("library_settings"), sent_from(older, closes_after_days="20"))
    desk.post(reverse("library_settings"), sent_from(older, name="Bay Library"))
    library.refresh_from_db()
    assert (library.name, library.closes_after_days) == ("Bay Library", 20)
    assert AuditEvent.objects.filter(action="changed_library").count() == 2


def test_saving_unchanged_library_settings_records_no_change(desk, branch, library):
    library.default_branch = branch
    library.save()
    page = desk.get(reverse("library_settings"))
    assert desk.post(reverse("library_settings"), sent_from(page)).status_code == 302
    assert not AuditEvent.objects.filter(action="changed_library").exists()


def test_error_beside_a_number_field_says_which_numbers_are_valid(desk, branch):
    typed = {**LIBRARY, "default_branch": branch.pk, "closes_after_days": "999", "released_after_days": ""}
    page = desk.post(reverse("library_settings"), {**typed, "desk_locks_after_minutes": "soon"})
    assert page.context["form"].errors == {
        "closes_after_days": ["Enter a whole number from 0 to 365."],
        "released_after_days": ["Enter a whole number from 0 to 90."],
        "desk_locks_after_minutes": ["Enter a whole number from 1 to 60."],
    }
    page = desk.post(reverse("add_branch"), {"name": "East", "promise_hours": "0"})
    assert page.context["form"].errors == {"promise_hours": ["Enter a whole number from 1 to 400."]}


def test_time_zone_list_contains_the_librarys_time_zone_even_if_its_name_is_outdated(desk, branch, library):
    library.time_zone = "US/Central"
    library.save()
    page = desk.get(reverse("library_settings"))
    zones = [value for value, _name in page.context["form"].fields["time_zone"].choices]
    assert ("US/Central" in zones, "US/Pacific" in zones, "America/Chicago" in zones) == (True, False, True)
    assert (zones == sorted(zones), "UTC" in zones) == (True, True)


def picture(kind="PNG", size=(900, 300), **kwargs):
    out = io.BytesIO()
    Image.new("RGB", size, "teal").save(out, kind, **kwargs)
    return out.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_uploaded_logo_is_encoded_again_as_png(desk, library, kind):
    tail = b"<script>alert(1)</script>"
    desk.post(
        reverse("library_settings"),
        {"logo": SimpleUploadedFile("../../x.html", picture(kind) + tail, content_type="text/html")},
    )
    served = desk.get(reverse("logo"))
    body = b"".join(served.streaming_content)
    assert served["Content-Type"] == "image/png"
    assert tail not in body
    assert Image.open(io.BytesIO(body)).size == (512, 171)
    desk.post(reverse("library_settings"), {"remove": "1"})
    assert desk.get(reverse("logo")).status_code == 404


@pytest.mark.parametrize("button", ["save", "save_logo"])
def test_both_buttons_of_the_library_page_save_the_settings_and_the_logo(desk, branch, button):
    logo = SimpleUploadedFile("logo.png", picture(), content_type="image/png")
    typed = {**LIBRARY, "default_branch": branch.pk, "logo": logo, button: "1"}
    assert desk.post(reverse("library_settings"), typed).url == reverse("settings")
    library = Library.current()
    assert (library.name, bool(library.logo)) == ("Bay Library", True)
    typed = {**LIBRARY, "default_branch": branch.pk, "name": "Cape Library", "remove": "1"}
    desk.post(reverse("library_settings"), typed)
    library.refresh_from_db()
    assert (library.name, bool(library.logo)) == ("Cape Library", False)


def test_logo_is_not_saved_if_another_setting_is_invalid(desk, branch):
    logo = SimpleUploadedFile("logo.png", picture(), content_type="image/png")
    typed = {**LIBRARY, "default_branch": branch.pk, "name": "", "logo": logo}
    page = desk.post(reverse("library_settings"), typed)
    assert page.context["form"].errors.keys() == {"name"}
    assert page.context["logo_form"].errors == {"logo": ["Nothing was saved. Choose the image again."]}
    assert text(page).count("Choose the image again.") == 2
    assert not Library.current().logo


def test_saving_the_logo_without_an_image_is_a_form_error(desk, branch):
    page = desk.post(reverse("library_settings"), {**LIBRARY, "default_branch": branch.pk, "save_logo": "1"})
    assert page.context["logo_form"].errors == {"logo": ["Choose an image."]}
    assert Library.current().name == "Harbour Library"


@pytest.mark.few_cases
@pytest.mark.slow
@pytest.mark.parametrize(
    "content",
    [
        lambda: b"",
        lambda: b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        lambda: b"GIF89a",
        lambda: picture()[:200],
        lambda: picture(size=(6000, 5000)),
        lambda: picture("GIF"),
        lambda: picture("PPM"),
    ],
    ids=["empty", "SVG", "GIF header", "part of a PNG", "too large", "GIF", "PPM"],
)
def test_invalid_picture_is_refused_as_a_logo(desk, library, content):
    logo = SimpleUploadedFile("logo.png", content(), content_type="image/png")
    page = desk.post(reverse("library_settings"), {"logo": logo})
    assert page.status_code == 200
    assert 'id="id_logo_error"' in page.content.decode()
    assert not Library.current().logo


def test_branch_can_be_added_and_changed_and_closed_and_reopened(desk, branch):
    desk.post(reverse("add_branch"), {"name": "East Point", "promise_hours": 8})
    east = Branch.objects.get(name="East Point")
    assert (east.slug, east.opening_hours.count()) == ("east-point", 5)
    desk.post(
        reverse("branch_settings", args=["east-point"]),
        {
            "name": "East",
            "phone": "555 0100",
            "promise_hours": 16,
            "send_button": "next",
            "back_to_writer": "writer",
            "call_tries": "3",
            "check_in_tone": "brief",
            "check_ins_unreviewed": "email",
            "covered_by": branch.pk,
        },
    )
    desk.post(reverse("branch_use", args=["east-point"]))
    east.refresh_from_db()
    assert (east.name, east.phone, east.promise_hours, bool(east.closed_at)) == ("East", "555 0100", 16, True)
    assert (east.send_button, east.back_to_writer, east.covered_by) == ("next", True, branch)
    assert (east.check_in_tone, east.check_ins_unreviewed) == ("brief", True)
    desk.post(reverse("branch_use", args=["east-point"]))
    east.refresh_from_db()
    assert east.closed_at is None


def test_branch_settings_offer_a_covering_branch_only_if_there_is_another_branch(desk, branch):
    url = reverse("branch_settings", args=[branch.slug])
    assert "covered_by" not in desk.get(url).context["form"].fields
    BranchFactory()
    assert "covered_by" in desk.get(url).context["form"].fields


def test_branch_name_must_be_unique(desk, branch):
    page = desk.post(reverse("add_branch"), {"name": branch.name.upper(), "promise_hours": 8})
    assert "Another branch has this name. Choose a different one." in page.content.decode()


@pytest.mark.parametrize(
    ("saves", "is_new"), [("actions.add_branch", True), ("save_calendar", False)], ids=["added", "renamed"]
)
def test_branch_form_says_that_the_name_is_taken_if_a_colleague_saves_this_name_first(
    desk, branch, coordinator, monkeypatch, saves, is_new
):
    """The colleague's form is saved after the posted form is checked, but before the posted form is saved."""
    save = operator.attrgetter(saves)(branch_views)

    def save_after_a_colleague(*args, **kwargs):
        monkeypatch.undo()
        actions.add_branch(by=coordinator, at=timezone.now(), name="East Point", promise_hours=24)
        return save(*args, **kwargs)

    monkeypatch.setattr(f"portal.desk.library.views.branches.{saves}", save_after_a_colleague)
    url = reverse("add_branch") if is_new else reverse("branch_settings", args=[branch.slug])
    choices = {"send_button": "next", "back_to_writer": "writer", "check_in_tone": "brief"}
    fields = {"name": "east point", "promise_hours": 8, "call_tries": "3", "check_ins_unreviewed": "email"}
    page = desk.post(url, fields | choices)
    assert "Another branch has this name. Choose a different one." in page.content.decode()
    assert Branch.objects.filter(name__iexact="East Point").count() == 1


def test_default_branch_cannot_be_closed(desk, branch):
    page = desk.post(reverse("branch_use", args=[branch.slug]), follow=True)
    assert "This is the default branch" in page.content.decode()
    branch.refresh_from_db()
    assert branch.closed_at is None


@pytest.mark.few_cases
@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("9-17", [("09:00", "17:00")]),
        ("9:00–12:30, 13.30 – 18", [("09:00", "12:30"), ("13:30", "18:00")]),
        ("1pm-5pm,9am to 12pm", [("09:00", "12:00"), ("13:00", "17:00")]),
        ("9:00 a.m. – 5:30 p.m.", [("09:00", "17:30")]),
        ("9 a. m. a 1 p. m. y 2:30\u202fp.\u00a0m. a 7 p. m.", [("09:00", "13:00"), ("14:30", "19:00")]),
        ("de 9.30 a 17", [("09:30", "17:00")]),
        ("9h-12h30; 14 h a 18 h", [("09:00", "12:30"), ("14:00", "18:00")]),
        ("0900-1700", [("09:00", "17:00")]),
        ("9A until 5P", [("09:00", "17:00")]),
        ("9–5 pm and 6–8 pm", [("09:00", "17:00"), ("18:00", "20:00")]),
        ("11-1pm", [("11:00", "13:00")]),
        ("12-5pm", [("12:00", "17:00")]),
        ("9-5", [("09:00", "17:00")]),
        ("10-2", [("10:00", "14:00")]),
        ("9:30 to 5:30", [("09:30", "17:30")]),
        ("9-12\r\n1-5\r\n", [("09:00", "12:00"), ("13:00", "17:00")]),
        ("9-12, 1-5", [("09:00", "12:00"), ("13:00", "17:00")]),
        ("9 to 12, 1 to 17", [("09:00", "12:00"), ("13:00", "17:00")]),
        ("9 to noon, 1 to 5", [("09:00", "12:00"), ("13:00", "17:00")]),
        ("Noon to 3", [("12:00", "15:00")]),
        ("from 8 until midday", [("08:00", "12:00")]),
        ("del mediodía a las 3", [("12:00", "15:00")]),
        ("de las 9 a las 12 y de las 2 a las 18", [("09:00", "12:00"), ("14:00", "18:00")]),
        ("1pm-5", [("13:00", "17:00")]),
        ("5-17", [("05:00", "17:00")]),
        ("01:00-05:00", [("01:00", "05:00")]),
        ("Closed", []),
        ("", []),
    ],
)
def test_opening_hours_can_be_typed_in_several_formats(desk, branch, typed, kept):
    assert desk.post(reverse("branch_settings", args=[branch.slug]), {"day1": typed}).status_code == 302
    assert [
        (f"{each.opens:%H:%M}", f"{each.closes:%H:%M}") for each in branch.opening_hours.filter(weekday=1)
    ] == kept
    assert branch.opening_hours.count() == len(kept)


def test_opening_hours_in_the_form_have_the_format_of_the_language(desk, branch):
    url = reverse("branch_settings", args=[branch.slug])
    desk.post(url, {"day1": "9-12:30, 13:30-18"})
    assert desk.get(url).context["hours_form"].initial == {
        "day1": "9:00\xa0a.m.–12:30\xa0p.m., 1:30\xa0p.m.–6:00\xa0p.m."
    }
    desk.post(url, desk.get(url).context["hours_form"].initial)
    with translation.override("es"):
        assert HoursForm(branch=branch).initial == {"day1": "09:00–12:30, 13:30–18:00"}


def test_closing_time_at_midnight_is_refused_with_an_error_that_asks_for_an_earlier_time(desk, branch):
    page = desk.post(reverse("branch_settings", args=[branch.slug]), {"day1": "6 pm to midnight"})
    assert page.context["hours_form"].errors == {
        "day1": ["Enter a closing time after the opening time and before midnight."]
    }


def test_error_about_opening_hours_quotes_the_invalid_text(desk, branch):
    page = desk.post(reverse("branch_settings", args=[branch.slug]), {"day1": "9-12, nine to five"})
    assert "We don&#x27;t understand “nine to five”." in page.content.decode()


@pytest.mark.few_cases
@pytest.mark.parametrize(
    "typed",
    [
        "9",
        "17-9",
        "0900-0500",
        "12-12",
        "11pm-5",
        "9-25",
        "9-12, 11-14",
        "nine to five",
        "9:75-10",
        "²-5",
        "13am-5pm",
        "9-17-20",
    ],
)
def test_invalid_opening_hours_are_not_saved_and_shown_again_in_the_form(desk, branch, typed):
    page = desk.post(reverse("branch_settings", args=[branch.slug]), {"day1": typed})
    assert page.status_code == 200
    assert page.context["hours_form"]["day1"].value() == typed
    assert f"{typed}</textarea>" in page.content.decode()
    assert not branch.opening_hours.exists()


def test_closed_day_is_added_and_removed(desk, branch, library):
    day = library.today().replace(year=library.today().year + 1).isoformat()
    desk.post(reverse("branch_settings", args=[branch.slug]), {"day": day, "reason": "Holiday"})
    assert "Holiday" in desk.get(reverse("branch_settings", args=[branch.slug])).content.decode()
    desk.post(reverse("branch_settings", args=[branch.slug]), {"remove": day})
    assert not branch.closed_days.exists()
    assert desk.post(reverse("branch_settings", args=[branch.slug]), {"day": "soon"}).status_code == 200


def test_undo_restores_a_removed_closed_day_with_its_reason(desk, branch, library):
    day = library.today().replace(year=library.today().year + 1, day=5)
    url = reverse("branch_settings", args=[branch.slug])
    desk.post(url, {"day": day.isoformat(), "reason": "Snow & ice"})
    page = desk.post(url, {"remove": day.isoformat()}, follow=True)
    assert "Closed day removed:" in text(page)
    message = list(page.context["messages"])[-1]
    assert not branch.closed_days.exists()
    assert desk.get(undo_url(message)).status_code == 405
    desk.post(undo_url(message))
    assert [(each.day, each.reason) for each in branch.closed_days.all()] == [(day, "Snow & ice")]


def whole_page(page, **changes):
    """Return the fields that the page of a branch posts, with these changes."""
    forms = (page.context[name] for name in ("form", "hours_form", "closed_form"))
    values = {}
    for form in forms:
        values |= {field.name: field.value() for field in form} | shown_at_first(form)
    return {name: value for name, value in {**values, **changes}.items() if value is not None}


@pytest.mark.parametrize(
    "button", [{}, {"remove": "2040-12-25"}, {"add": "1"}], ids=["save", "remove", "add"]
)
def test_every_button_of_the_branch_page_saves_the_whole_page(desk, branch, button, coordinator):
    actions.add_closed_day(
        branch, day=datetime.date(2040, 12, 25), reason="", by=coordinator, at=timezone.now()
    )
    url = reverse("branch_settings", args=[branch.slug])
    typed = {"phone": "555 0100", "day1": "9-17", "day": "2040-01-01", "reason": "New Year"}
    page = desk.post(url, whole_page(desk.get(url), **typed, **button), follow=True)
    assert f"{branch} saved." in page.content.decode()
    branch.refresh_from_db()
    closed = {"2040-01-01"} | ({"2040-12-25"} if "remove" not in button else set())
    assert {closed_day.day.isoformat() for closed_day in branch.closed_days.all()} == closed
    assert (branch.phone, branch.opening_hours.get().weekday) == ("555 0100", 1)


def test_branch_page_saves_nothing_if_one_part_is_invalid(desk, branch):
    url = reverse("branch_settings", args=[branch.slug])
    typed = {"phone": "555 0100", "day1": "nine", "day": "2040-01-01", "reason": "New Year"}
    page = desk.post(url, whole_page(desk.get(url), **typed))
    sent = whole_page(page)
    assert {name: sent[name] for name in typed} == typed
    branch.refresh_from_db()
    assert (branch.phone, branch.opening_hours.count(), branch.closed_days.count()) == ("", 0, 0)


def test_error_summary_lists_the_errors_of_every_part_of_the_page(desk, branch):
    url = reverse("branch_settings", args=[branch.slug])
    typed = {"promise_hours": "0", "day1": "nine", "reason": "New Year"}
    page = desk.post(url, whole_page(desk.get(url), **typed)).content.decode()
    assert page.count('id="error-summary"') == 1
    summary = page[page.index('id="error-summary"') : page.index("<h1")]
    for field in ("promise_hours", "day1", "day"):
        assert f'href="#id_{field}"' in summary


def test_branch_page_scrolls_to_the_closed_days_after_a_closed_day_is_added_or_removed(
    desk, branch, coordinator
):
    """The URL in the redirect has no fragment, so the browser keeps #closed-days from the button's URL."""
    day = datetime.date(2040, 12, 25)
    actions.add_closed_day(branch, day=day, reason="", by=coordinator, at=timezone.now())
    page = desk.get(reverse("branch_settings", args=[branch.slug])).content.decode()
    assert page.count('formaction="#closed-days"') == 2


def test_saving_an_unchanged_branch_records_no_change(desk, branch):
    url = reverse("branch_settings", args=[branch.slug])
    assert desk.post(url, whole_page(desk.get(url))).status_code == 302
    assert not AuditEvent.objects.filter(action__startswith="changed").exists()


def test_outdated_branch_page_does_not_overwrite_a_colleagues_changes(desk, branch, coordinator):
    url = reverse("branch_settings", args=[branch.slug])
    actions.change_hours(branch, week=[(0, "09:00", "17:00")], by=coordinator, at=timezone.now())
    older = desk.get(url)
    desk.post(url, whole_page(older, phone="555 0100", promise_hours="8", day0="10-17", day1="9-12"))
    desk.post(url, whole_page(older, address="1 Pier Road", day2="9-17"))
    branch.refresh_from_db()
    assert (branch.phone, branch.promise_hours, branch.address) == ("555 0100", 8, "1 Pier Road")
    assert [(each.weekday, f"{each.opens:%H}-{each.closes:%H}") for each in branch.opening_hours.all()] == [
        (0, "10-17"),
        (1, "09-12"),
        (2, "09-17"),
    ]


def hours_of(branch):
    return [(each.weekday, f"{each.opens:%H}-{each.closes:%H}") for each in branch.opening_hours.all()]


def test_simultaneous_changes_to_the_hours_of_different_days_are_both_saved(
    desk, branch, coordinator, monkeypatch
):
    """The colleague saves after the view has read the hours, and before the view locks the branch."""
    url = reverse("branch_settings", args=[branch.slug])
    preview, colleague = moved_promises.preview, [[(0, "10:00", "16:00")]]

    def preview_and_wait(*args, **kwargs):
        moves = preview(*args, **kwargs)
        if colleague:
            actions.change_hours(branch, week=colleague.pop(), by=coordinator, at=timezone.now())
        return moves

    monkeypatch.setattr(moved_promises, "preview", preview_and_wait)
    page = desk.post(url, whole_page(desk.get(url), day1="9-12"), follow=True)
    assert f"{branch} saved." in text(page)
    assert hours_of(branch) == [(0, "10-16"), (1, "09-12")]


def test_coordinator_sees_a_colleagues_newer_hours_before_replacing_them(desk, branch, coordinator):
    url = reverse("branch_settings", args=[branch.slug])
    older = desk.get(url)
    actions.change_hours(branch, week=[(0, "10:00", "16:00")], by=coordinator, at=timezone.now())
    refused = desk.post(url, whole_page(older, day0="9-12", day1="9-17"))
    assert "A colleague has saved other hours for this day: 10:00 a.m.–4:00 p.m." in text(refused)
    assert refused.context["hours_form"].errors.keys() == {"day0"}
    assert hours_of(branch) == [(0, "10-16")]
    # The page now shows the colleague's hours, so posting the typed hours again saves them.
    sent = whole_page(refused) | {"initial-day0": initial_in(refused, "day0")}
    assert desk.post(url, sent).status_code == 302
    assert hours_of(branch) == [(0, "09-12"), (1, "09-17")]


def test_saving_the_same_hours_as_a_colleague_is_not_a_conflict(desk, branch, coordinator):
    url = reverse("branch_settings", args=[branch.slug])
    older = desk.get(url)
    actions.change_hours(branch, week=[(0, "09:00", "17:00")], by=coordinator, at=timezone.now())
    assert desk.post(url, whole_page(older, day0="9-17")).status_code == 302
    assert hours_of(branch) == [(0, "09-17")]


def initial_in(page, name):
    """Return the value that this field had when the page was shown. A hidden field contains this value."""
    found = re.search(rf'name="initial-{name}" value="([^"]*)"', page.content.decode())
    return html.unescape(found[1])


def test_closed_day_without_a_date_is_a_form_error(desk, branch):
    url = reverse("branch_settings", args=[branch.slug])
    for part in ({"add": "1"}, {"reason": "Storm"}):
        page = desk.post(url, whole_page(desk.get(url), **part))
        assert page.context["closed_form"].errors.keys() == {"day"}
    assert not branch.closed_days.exists()


def test_closed_day_in_the_past_is_refused_and_today_is_accepted(desk, branch, library):
    url, today = reverse("branch_settings", args=[branch.slug]), library.today()
    yesterday = today - datetime.timedelta(days=1)
    page = desk.post(url, {"day": yesterday.isoformat(), "reason": "Storm"}).content.decode()
    assert "This day is in the past. Choose a later one." in page
    assert 'value="Storm"' in page
    desk.post(url, {"day": today.isoformat(), "reason": "Storm"})
    assert [closed.day for closed in branch.closed_days.all()] == [today]


def test_topic_can_be_added_and_renamed_and_retired_and_restored(desk):
    desk.post(reverse("topics"), {"name": "Gardening", "name_es": "Jardinería"})
    topic = Topic.objects.get()
    page = desk.get(reverse("topics"), {"topic": topic.pk}).content.decode()
    # The name appears once in the text field and once in the list of topics.
    assert page.count("Jardinería") == 2
    assert "Name in Spanish" in page
    desk.post(reverse("topics"), {"topic": topic.pk, "name": "Gardens"})
    desk.post(reverse("topics"), {"topic": topic.pk, "retire": "1"})
    topic.refresh_from_db()
    assert (topic.name, list(topic.names.all()), bool(topic.retired_at)) == ("Gardens", [], True)
    assert "retired one" in desk.post(reverse("topics"), {"name": "gardens"}).content.decode()
    desk.post(reverse("topics"), {"topic": topic.pk, "bring_back": "1"})
    topic.refresh_from_db()
    assert topic.retired_at is None


def test_topic_form_saves_a_name_for_each_other_language(desk, settings):
    settings.LANGUAGES = [("en", "English"), ("es", "Spanish"), ("fr", "French")]
    desk.post(reverse("topics"), {"name": "Gardening", "name_es": "Jardinería", "name_fr": "Jardinage"})
    assert dict(Topic.objects.get().names.values_list("language", "name")) == {
        "es": "Jardinería",
        "fr": "Jardinage",
    }


# Tests of reply templates.


def test_reply_templates_page_without_templates_has_one_main_button(desk):
    page = desk.get(reverse("reply_templates")).content.decode()
    assert page.count('class="button"') == 1
    assert f'class="button" href="{reverse("add_reply_template")}"' in page


TEMPLATE = {
    "name": "Renewed",
    "branch": "",
    "language": "es",
    "body": "Hola, {patron}: {item|el libro} se renovó. {me}",
}


def test_reply_template_is_added_changed_and_removed(desk, branch, coordinator):
    page = desk.post(reverse("add_reply_template"), TEMPLATE, follow=True).content.decode()
    assert "Renewed saved. Staff can use the template now." in page
    template = ReplyTemplate.objects.get()
    assert (template.name, template.branch, template.language, template.body) == (
        "Renewed",
        None,
        "es",
        TEMPLATE["body"],
    )
    desk.post(
        reverse("reply_template", args=[template.public_id]),
        TEMPLATE | {"name": "Renewed here", "branch": branch.pk},
    )
    template.refresh_from_db()
    assert (template.name, template.branch) == ("Renewed here", branch)
    remove = reverse("remove_reply_template", args=[template.public_id])
    assert "Remove this template?" in desk.get(remove).content.decode()
    assert ReplyTemplate.objects.exists()
    assert "Renewed here removed." in desk.post(remove, follow=True).content.decode()
    assert not ReplyTemplate.objects.exists()
    done = AuditEvent.objects.filter(by=coordinator, subject=str(template.public_id)).values_list(
        "action", flat=True
    )
    assert list(done) == ["added_reply_template", "changed_reply_template", "removed_reply_template"]


@pytest.mark.few_cases
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"body": "Dear {name}, {item}"},
            "know what to put in place of {name}. Use only {patron}, {item} and {me}",
        ),
        ({"body": "{ patron }"}, "know what to put in place of { patron }."),
        ({"body": "{patron.email}"}, "know what to put in place of {patron.email}."),
        ({"body": " "}, "This field is required."),
        ({"body": "x" * 5001}, "at most 5000 characters"),
        ({"body": "{item}" * 31}, "{item} and {me} 31 times in all. Use them at most 30 times."),
        ({"name": ""}, "This field is required."),
        ({"name": "x" * 81}, "at most 80 characters"),
        ({"language": "xx"}, "Select a valid choice"),
        ({"branch": "999"}, "Select a valid choice"),
    ],
)
def test_invalid_reply_template_is_refused(desk, changes, words):
    page = desk.post(reverse("add_reply_template"), TEMPLATE | changes)
    assert words in page.content.decode()
    assert page.content.decode().count('class="field-error"') == 1
    assert not ReplyTemplate.objects.exists()


def test_reply_template_name_must_be_unique_per_branch_and_language(desk, branch, template):
    same = {"name": "on HOLD", "branch": "", "language": "en", "body": "x"}
    assert (
        "already has a template with this name"
        in desk.post(reverse("add_reply_template"), same).content.decode()
    )
    for changes in ({"language": "es"}, {"branch": branch.pk}):
        assert desk.post(reverse("add_reply_template"), same | changes).status_code == 302
    assert desk.post(reverse("reply_template", args=[template.public_id]), same).status_code == 302
    template.refresh_from_db()
    assert template.name == "on HOLD"


def test_reply_template_page_shows_the_text_with_and_without_a_patron_name(desk, coordinator, template):
    page = desk.get(reverse("reply_template", args=[template.public_id])).content.decode()
    assert "Hello, Sam! The Secret Garden is here. Ines Coordinator" in page
    assert "Hello! What we recommended is here. Ines Coordinator" in page


@pytest.mark.parametrize("language", ["en", "xx", "../../x"])
def test_reply_template_preview_saves_nothing(desk, template, language):
    typed = {
        "preview": "1",
        "name": "",
        "language": language,
        "branch": "",
        "body": "Bye, {patron}! <b>{nobody}</b>",
    }
    for url in (reverse("add_reply_template"), reverse("reply_template", args=[template.public_id])):
        page = desk.post(url, typed).content.decode()
        assert "Bye, Sam! &lt;b&gt;{nobody}&lt;/b&gt;" in page
        assert 'class="field-error"' not in page
        # The text with the placeholder is only in the text field. The preview shows the filled-in text.
        assert page.count("Bye, {patron}!") == 1
    template.refresh_from_db()
    assert (ReplyTemplate.objects.count(), template.name) == (1, "On hold")


@pytest.mark.few_cases
@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ({}, {"All en", "All es", "Hill en"}),
        ({"branch": "all"}, {"All en", "All es"}),
        ({"branch": "hill"}, {"Hill en"}),
        ({"language": "es"}, {"All es"}),
        ({"branch": "hill", "language": "es"}, set()),
        ({"branch": "nowhere"}, set()),
    ],
)
def test_reply_templates_can_be_filtered_by_branch_and_language(desk, query, shown):
    hill = BranchFactory(name="Hill", slug="hill")
    for name, branch, language in [("All en", None, "en"), ("All es", None, "es"), ("Hill en", hill, "en")]:
        ReplyTemplateFactory(name=name, branch=branch, language=language)
    page = desk.get(reverse("reply_templates"), query).content.decode()
    assert {name for name in ("All en", "All es", "Hill en") if f">{name}<" in page} == shown
    assert ("No templates match these filters." in page) == (not shown)


@pytest.mark.parametrize("rows", [1, 30])
def test_reply_template_list_runs_the_same_number_of_queries_for_1_and_30_rows(
    desk, branch, rows, django_assert_num_queries
):
    ReplyTemplateFactory.create_batch(rows, branch=branch)
    desk.get(reverse("reply_templates"))
    with django_assert_num_queries(7):
        assert desk.get(reverse("reply_templates")).content.decode().count('class="cover-all"') == rows


def test_empty_reply_template_list_says_that_no_templates_exist_yet(desk, library):
    assert "No templates yet" in desk.get(reverse("reply_templates")).content.decode()
