"""Test what is stored when people choose whether the library may ask later how a visit turned out."""

from datetime import UTC, datetime, timedelta

import pytest

from accounts.models import AuditEvent, Consent
from portal.checkins import consent
from tests.factories import ChildFactory, HelpSessionFactory, StaffFactory, UserFactory

AT = datetime(2026, 11, 20, 20, tzinfo=UTC)
WORDS = "May the library ask you later how things turned out?\nBy email"

pytestmark = pytest.mark.django_db


@pytest.fixture
def library(library):
    library.check_ins = True
    library.save()
    return library


def choose(person, choice, **fields):
    fields = {"wording": WORDS, "language": "en", "at": AT} | fields
    return consent.choose(person, choice, **fields)


def consents():
    return list(Consent.objects.order_by("pk").values_list("purpose", "wording", "language", "read_by"))


@pytest.mark.parametrize("choice", ["email", "pages", "none"])
def test_each_check_in_choice_is_stored_with_the_text_that_the_patron_read(library, choice):
    person = UserFactory()
    choose(person, choice, language="es")
    person.refresh_from_db()
    assert person.check_ins == choice
    row = Consent.objects.get()
    assert (row.person, row.subject, row.given_at) == (person, person.public_id, AT)
    assert consents() == [("check_ins", WORDS, "es", None)]


def test_making_the_same_check_in_choice_twice_stores_one_consent(library):
    person = UserFactory()
    choose(person, "email")
    choose(person, "email", at=AT + timedelta(days=1))
    assert Consent.objects.get().given_at == AT


def test_staff_who_read_the_question_aloud_are_named_in_the_consent(library):
    person, staff = UserFactory(), StaffFactory()
    choose(person, "pages", read_by=staff)
    assert consents() == [("check_ins", WORDS, "en", staff.pk)]
    event = AuditEvent.objects.get()
    assert (event.action, event.by, event.patron) == ("chose_check_ins", staff, person)


def test_only_the_patron_can_turn_check_ins_on_again_after_staff_stopped_them(library):
    person, staff = UserFactory(check_ins="email"), StaffFactory()
    consent.stop(person, by=staff, at=AT)
    for choice in ("email", "pages"):
        with pytest.raises(consent.OnlyThePatron):
            choose(person, choice, read_by=staff)
    person.refresh_from_db()
    assert person.check_ins == "none"
    choose(person, "email")
    person.refresh_from_db()
    assert person.check_ins == "email"


def test_stopping_check_ins_at_the_desk_stores_the_wording_and_an_audit_event(library):
    person, staff = UserFactory(check_ins="email", check_in_titles=True, language="es"), StaffFactory()
    consent.stop(person, by=staff, at=AT)
    person.refresh_from_db()
    assert (person.check_ins, person.check_in_titles) == ("none", False)
    row = Consent.objects.get()
    assert (row.purpose, row.language, row.read_by) == ("check_ins", "es", staff)
    assert row.wording == consent.stop_wording("es") != consent.stop_wording("en")
    event = AuditEvent.objects.get()
    assert (event.action, event.by, event.patron) == ("stopped_check_ins", staff, person)


def test_turning_emails_off_also_withdraws_the_permission_to_show_titles(library):
    person = UserFactory(check_ins="email", check_in_titles=True)
    choose(person, "pages")
    person.refresh_from_db()
    assert person.check_in_titles is False


def test_permission_to_show_titles_is_stored_as_a_separate_consent(library):
    person = UserFactory(check_ins="email")
    consent.allow_titles(person, True, wording="Anyone can see the titles.", language="en", at=AT)
    person.refresh_from_db()
    assert person.check_in_titles is True
    assert consents() == [("check_in_titles", "Anyone can see the titles.", "en", None)]


def test_child_can_choose_email_only_if_the_library_allows_emails_to_children(library):
    child = ChildFactory(email="mia@example.org")
    assert [value for value, _label in consent.choices_for(child, library)] == ["pages", "none"]
    with pytest.raises(consent.NotOffered):
        choose(child, "email")
    library.check_ins_of_children = True
    library.save()
    assert [value for value, _label in consent.choices_for(child, library)] == ["email", "pages", "none"]
    choose(child, "email")
    child.refresh_from_db()
    assert child.check_ins == "email"


def test_undoing_the_first_check_in_choice_deletes_the_consent(library):
    person = UserFactory()
    choose(person, "email")
    consent.undo_first_choice(person, at=AT)
    person.refresh_from_db()
    assert (person.check_ins, consents()) == ("", [])


def test_staff_can_note_a_patrons_death_and_undo_the_note(library):
    person, staff = UserFactory(), StaffFactory()
    consent.note_death(person, by=staff, at=AT)
    consent.note_death(person, by=staff, at=AT + timedelta(days=1))
    person.refresh_from_db()
    assert person.died_at == AT
    consent.undo_death(person, by=staff, at=AT)
    person.refresh_from_db()
    assert person.died_at is None
    assert list(AuditEvent.objects.order_by("pk").values_list("action", flat=True)) == [
        "noted_death",
        "undid_death",
    ]


def test_check_in_choice_for_one_visit_is_stored_with_the_visit(library):
    visit = HelpSessionFactory()
    consent.choose_for_visit(visit, "none", at=AT)
    visit.refresh_from_db()
    assert visit.check_ins == "none"


def test_check_in_choice_for_a_quiet_visit_is_not_stored(library):
    visit = HelpSessionFactory(quiet=True)
    consent.choose_for_visit(visit, "pages", at=AT)
    visit.refresh_from_db()
    assert visit.check_ins == ""
