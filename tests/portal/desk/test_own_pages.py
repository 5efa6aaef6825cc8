"""Test the menu of a staff member's own pages, such as “My check-ins” and “Days away”."""

import re

import pytest
from django.urls import reverse
from django.utils import timezone

from accounts.sign_in import desk_pins

pytestmark = pytest.mark.django_db
PAGES = ["desk_check_ins", "made_possible", "desk_kits", "desk_links", "absences", "desk_notices"]


@pytest.fixture
def library(library):
    library.check_ins = True
    library.save()
    return library


def menu(response):
    """Return [(address, whether this is the current page)] for each link of the menu."""
    part = response.content.decode().partition('id="own-pages"')[2].partition("</details>")[0]
    return [(link[1], bool(link[2])) for link in re.finditer(r'<a href="([^"]+)"( aria-current)?', part)]


@pytest.mark.few_cases
@pytest.mark.parametrize("current", PAGES)
def test_every_desk_page_links_to_the_staff_members_own_pages(desk, library, current):
    links = menu(desk.get(reverse(current)))
    assert links == [*[(reverse(name), name == current) for name in PAGES], (reverse("home"), False)]


def test_menu_has_no_link_to_check_ins_while_check_ins_are_off(desk, library):
    library.check_ins = False
    library.save()
    assert reverse("desk_check_ins") not in dict(menu(desk.get("/desk/")))


def test_menu_of_a_shared_desk_computer_has_no_link_to_the_patron_account(desk, library, staff, branch):
    desk_pins.set_pin(staff, pin="83619", at=timezone.now())
    desk.post(reverse("desk_computers"), {"branch": branch.pk, "name": "Front desk"})
    assert [address for address, _is_current in menu(desk.get("/desk/"))] == [reverse(name) for name in PAGES]
