import datetime
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo

import pytest
from django.utils import translation

from accounts.branch_contact import contact_of
from accounts.models import ClosedDay, OpeningHours
from tests.factories import BranchFactory

CHICAGO = ZoneInfo("America/Chicago")


@pytest.fixture
def week(branch):
    """Open the branch on weekdays from 9 to 5, and on Wednesdays also from 6 to 8."""
    hours = [(day, 9, 17) for day in range(5)] + [(2, 18, 20)]
    OpeningHours.objects.bulk_create(
        OpeningHours(branch=branch, weekday=day, opens=datetime.time(opens), closes=datetime.time(closes))
        for day, opens, closes in hours
    )
    return branch


def today(branch, library, local, language="en"):
    at = datetime.datetime.fromisoformat(local).replace(tzinfo=CHICAGO).astimezone(datetime.UTC)
    with translation.override(language):
        return contact_of(branch, library=library, at=at).today.replace("\u00a0", " ")


# November 24, 2026, is a Tuesday.
@pytest.mark.few_cases
@pytest.mark.parametrize(
    ("local", "english", "spanish"),
    [
        ("2026-11-24 08:59", "Open today from 9:00 a.m. to 5:00 p.m.", "Abierta hoy de 09:00 a 17:00"),
        ("2026-11-24 09:00", "Open today until 5:00 p.m.", "Abierta hoy hasta las 17:00"),
        ("2026-11-24 17:00", "Closed now. Opens tomorrow at 9:00 a.m.", "Ya cerró. Abre mañana a las 09:00"),
        (
            "2026-11-25 16:59",
            "Open today until 5:00 p.m. and from 6:00 p.m. to 8:00 p.m.",
            "Abierta hoy hasta las 17:00 y de 18:00 a 20:00",
        ),
        ("2026-11-25 17:30", "Open today from 6:00 p.m. to 8:00 p.m.", "Abierta hoy de 18:00 a 20:00"),
        # The branch is closed on the next day.
        (
            "2026-11-25 21:00",
            "Closed now. Opens Friday at 9:00 a.m.",
            "Ya cerró. Abre el viernes a las 09:00",
        ),
        (
            "2026-11-26 12:00",
            "Closed today. Opens tomorrow at 9:00 a.m.",
            "Hoy está cerrada. Abre mañana a las 09:00",
        ),
        # At the library it is Saturday. In UTC it is Sunday already.
        (
            "2026-11-28 20:00",
            "Closed today. Opens Monday at 9:00 a.m.",
            "Hoy está cerrada. Abre el lunes a las 09:00",
        ),
        (
            "2026-12-18 18:00",
            "Closed now. Opens Monday, January 4, at 9:00 a.m.",
            "Ya cerró. Abre el lunes 4 de enero a las 09:00",
        ),
    ],
)
def test_branch_contact_says_how_long_the_branch_is_open_or_when_it_opens_next(
    week, library, local, english, spanish
):
    holidays = [datetime.date(2026, 12, 21) + datetime.timedelta(days=n) for n in range(14)]
    for day in [datetime.date(2026, 11, 26), *holidays]:
        ClosedDay.objects.create(branch=week, day=day)
    # The closed days and hours of another branch don't count.
    other = BranchFactory()
    ClosedDay.objects.create(branch=other, day=datetime.date(2026, 11, 24))
    OpeningHours.objects.create(branch=other, weekday=5, opens=datetime.time(0), closes=datetime.time(23, 59))
    assert today(week, library, local) == english
    assert today(week, library, local, "es") == spanish


def test_branch_contact_leaves_out_the_next_opening_of_a_branch_closed_for_months(week, library):
    first = datetime.date(2026, 11, 24)
    ClosedDay.objects.bulk_create(
        ClosedDay(branch=week, day=first + datetime.timedelta(days=n)) for n in range(90)
    )
    assert today(week, library, "2026-11-24 10:00") == "Closed today."


def test_branch_contact_says_nothing_about_today_if_the_branch_has_no_opening_hours(branch, library):
    assert today(branch, library, "2026-11-24 10:00") == ""


@pytest.mark.few_cases
@pytest.mark.parametrize(
    ("phone", "call"),
    [
        ("(414) 555-0134", "tel:4145550134"),
        ("+1 414 555 0134 ext. 12", "tel:+14145550134"),
        ("555-0100 / 555-0101", "tel:5550100"),
        ("414.555.0134x9", "tel:4145550134"),
        ("ask at the desk", ""),
        ("", ""),
    ],
)
def test_phone_number_of_a_branch_becomes_a_link_that_starts_a_call(branch, library, phone, call):
    branch.phone = phone
    assert contact_of(branch, library=library, at=datetime.datetime.now(datetime.UTC)).call == call


def test_map_link_contains_only_the_address_of_the_branch(branch, library):
    branch.address = "1 Lantern Square & Co, Alder Bay"
    address = urlsplit(contact_of(branch, library=library, at=datetime.datetime.now(datetime.UTC)).map)
    assert address.netloc == "www.openstreetmap.org"
    assert parse_qs(address.query) == {"query": ["1 Lantern Square & Co, Alder Bay"]}


def test_branch_without_an_address_has_no_map_link(branch, library):
    assert contact_of(branch, library=library, at=datetime.datetime.now(datetime.UTC)).map == ""


def test_branch_that_is_out_of_use_has_no_contact_details(branch, library):
    now = branch.closed_at = datetime.datetime.now(datetime.UTC)
    assert contact_of(branch, library=library, at=now) is None
