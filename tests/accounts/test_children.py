"""Check records of children, which contain only a first name."""

from dataclasses import replace

import pytest
from allauth.account.models import EmailAddress
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.ils.base import Patron
from accounts.models import AuditEvent, LibraryCard, User
from accounts.patron import children
from accounts.patron.people import change_name
from accounts.sign_in import library_cards
from accounts.staff.roles import give_role
from tests.factories import ChildFactory, UserFactory
from tests.portal.pages import text

pytestmark = pytest.mark.django_db

JANE = Patron("77", "20007777", "Doe, Jane Ann", "parent@example.org", "Juvenile")


@pytest.fixture
def library(library):
    library.children, library.childrens_groups = "own", "JUV\n juvenile \n"
    library.save()
    return library


def sign_in_by_card(patron):
    return library_cards.person_with_card(patron, at=timezone.now(), language="en")


@pytest.mark.few_cases
@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("Jane Ann Doe", "Jane"),
        ("Doe, Jane Ann", "Jane"),
        ("García Márquez, Ana-Lucía", "Ana-Lucía"),
        ("Jane\u00a0Doe", "Jane"),
        ("Doe,", ""),
        ("Mia", "Mia"),
        ("", ""),
    ],
)
def test_childs_record_stores_only_the_first_given_name(name, first):
    assert children.first_name(name) == first


@pytest.mark.few_cases
@pytest.mark.parametrize(
    ("group", "is_childs"),
    [("juvenile", True), ("JUV", True), ("Juvenile staff", False), ("", False), ("Adult", False)],
)
def test_patron_groups_listed_by_the_library_count_as_childrens_groups(library, group, is_childs):
    assert children.is_childrens_group(library, group) is is_childs


def test_no_patron_group_counts_as_a_childrens_group_by_default(library):
    library.childrens_groups = "\n  \n"
    assert not children.is_childrens_group(library, "")


def test_card_sign_in_of_a_child_stores_a_first_name_and_no_email_address(library):
    person = sign_in_by_card(JANE)
    assert (person.name, person.is_child, person.email) == ("Jane", True, None)
    assert not EmailAddress.objects.exists()
    assert "Doe" not in str(list(User.objects.values()) + list(LibraryCard.objects.values()))


def test_card_sign_in_of_an_adult_stores_the_full_name_and_an_unverified_address(library):
    person = sign_in_by_card(replace(JANE, group="Adult"))
    assert (person.name, person.is_child) == ("Doe, Jane Ann", False)
    assert EmailAddress.objects.get().email == "parent@example.org"


def test_changing_the_patron_group_starts_or_ends_a_childs_record(library):
    person = sign_in_by_card(replace(JANE, group="Adult"))
    assert sign_in_by_card(JANE).name == "Jane"
    person.refresh_from_db()
    assert (person.name, person.is_child) == ("Jane", True)
    assert not EmailAddress.objects.exists()
    assert not sign_in_by_card(replace(JANE, group="Adult")).is_child
    assert list(AuditEvent.objects.order_by("pk").values_list("action", flat=True)) == [
        "joined_by_card",
        "made_childs_record",
        "ended_childs_record",
    ]


def test_adult_patron_group_does_not_end_a_childs_record_made_by_staff(library, staff):
    person = sign_in_by_card(replace(JANE, group="Adult"))
    children.make_childs_record(person, by=staff, at=timezone.now())
    assert sign_in_by_card(replace(JANE, group="Adult")).is_child


def test_record_of_a_staff_member_cannot_become_a_childs_record(library, staff):
    LibraryCard.objects.create(person=staff, ils_id=JANE.ils_id, barcode=JANE.barcode, seen_at=timezone.now())
    assert not sign_in_by_card(JANE).is_child
    with pytest.raises(children.WorksAtADesk):
        children.make_childs_record(staff, by=staff, at=timezone.now())


def test_childs_record_becomes_an_ordinary_record_when_the_child_gets_a_staff_role(
    library, coordinator, branch
):
    child = ChildFactory()
    give_role(child, branch=branch, role="staff", by=coordinator, at=timezone.now())
    child = User.objects.get(pk=child.pk)
    assert (child.is_staff, child.is_child) == (True, False)


def test_paper_only_library_creates_no_new_account_for_a_childs_card(library):
    library.children = "paper"
    library.save()
    with pytest.raises(library_cards.OnPaperOnly):
        sign_in_by_card(JANE)
    assert not User.objects.exists()
    known = sign_in_by_card(replace(JANE, ils_id="78", group="Adult"))
    assert sign_in_by_card(replace(JANE, ils_id="78")) == known


def test_paper_only_library_says_at_card_sign_in_that_children_get_help_on_paper(library, monkeypatch):
    library.children = "paper"
    library.save()

    class Ils:
        card_has_letters = pin_has_letters = False

        def check(self, card, pin, **options):
            return JANE

    monkeypatch.setattr("accounts.views.card_sign_in.library_ils", Ils)
    answer = Client().post(reverse("card_sign_in"), {"card": JANE.barcode, "pin": "1234"})
    assert "Children get help on paper" in text(answer)
    assert not User.objects.exists()


def test_database_refuses_a_childs_name_of_two_words(library):
    child = ChildFactory()
    with pytest.raises(IntegrityError), transaction.atomic():
        User.objects.filter(pk=child.pk).update(name="Mia Doe")


def test_child_can_change_their_name_but_not_add_a_surname(library, client, sign_in):
    child = ChildFactory(name="Mia")
    sign_in(client, child)
    answer = client.post(reverse("me"), {"name": "Mia Doe"})
    assert "keep your last name" in text(answer)
    client.post(reverse("me"), {"name": "Comet"})
    child.refresh_from_db()
    assert child.name == "Comet"
    change_name(child, name="Mia Doe")
    child.refresh_from_db()
    assert child.name == "Mia"


def test_audit_trail_shows_when_a_childs_record_begins_and_ends(library, staff):
    person = UserFactory(name="Jane Doe")
    children.make_childs_record(person, by=staff, at=timezone.now())
    # The record is a child's record already, so this call adds no audit event.
    children.make_childs_record(person, by=staff, at=timezone.now())
    children.end_childs_record(person, by=staff, at=timezone.now())
    assert AuditEvent.objects.filter(patron=person, by=staff).count() == 2
    person.refresh_from_db()
    assert (person.name, person.child_since) == ("Jane", None)
