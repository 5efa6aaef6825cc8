"""Test that the rows of NameWord, which the desk's search uses, always match people's names."""

import datetime

import pytest
from django.core.management import call_command
from django.utils import timezone

import accounts.library
from accounts.ils.fake import CARDS
from accounts.models import NameWord, User
from accounts.patron import children, people
from accounts.sign_in import library_cards, single_sign_on
from accounts.sign_in.openid_connect import Identity
from accounts.staff import invitations
from portal.privacy import erasure, merging, unmerging
from tests.factories import UserFactory
from tests.name_words import check_name_words

pytestmark = [pytest.mark.sql, pytest.mark.django_db]


def words_of(person):
    """Return the stored words of the person's name, sorted, without the endings of longer words."""
    stored = NameWord.objects.filter(person=person).values_list("word", flat=True)
    return sorted(word for word in stored if not any(each.endswith(word) for each in stored if each != word))


@pytest.fixture
def zoe(library):
    """Return a patron whose name has two words."""
    return UserFactory(name="Zoë Ångström", email="zoe@example.org")


def test_words_of_a_name_are_stored_in_lowercase_without_accents_and_only_once(library):
    assert words_of(UserFactory(name="Łucja O’Brien-Łucja")) == ["lucja", "obrien"]
    assert words_of(UserFactory(name="李小龍")) == ["小", "李", "龍"]
    assert words_of(UserFactory(name="")) == []


def test_every_ending_of_each_word_in_a_name_is_stored(library):
    person = UserFactory(name="Bo O'Ray")
    stored = NameWord.objects.filter(person=person).values_list("word", flat=True)
    assert sorted(stored) == ["ay", "bo", "o", "oray", "ray", "y"]


def save(person):
    person.name = "Zoë Lindgren"
    person.save()


def save_only_the_name(person):
    person.name = "Zoë Lindgren"
    person.save(update_fields=["name"])


def update_or_create(person):
    User.objects.update_or_create(pk=person.pk, defaults={"name": "Zoë Lindgren"})


def change_name(person):
    people.change_name(person, name="Zoë Lindgren")


@pytest.mark.parametrize("rename", [save, save_only_the_name, update_or_create, change_name])
def test_stored_words_change_when_a_person_is_renamed(zoe, rename):
    rename(zoe)
    assert words_of(zoe) == ["lindgren", "zoe"]
    check_name_words()


def test_saving_only_the_language_of_a_person_does_not_write_the_words_of_the_name(
    zoe, django_assert_num_queries
):
    zoe.language = "es"
    with django_assert_num_queries(1):
        zoe.save(update_fields=["language"])


def test_renaming_a_deleted_person_stores_no_words_of_the_name(zoe):
    gone = User.objects.get(pk=zoe.pk)
    zoe.delete()
    people.change_name(gone, name="Zoë Lindgren")
    check_name_words()


def test_words_of_a_name_are_stored_for_every_way_of_creating_a_person(library, coordinator):
    at = timezone.now()
    identity = Identity("1", "Ana Ruiz", "ana@example.org", email_is_proven=True, shown_at=0)
    created = {
        people.person_without_address(at=at, name="José Pérez", language="es"): ["jose", "perez"],
        people.person_with_address("typed@example.org", at=at): [],
        people.person_added_at_desk(
            name="Old Mr Pike", email="pike@example.org", language="en", by=coordinator, at=at
        ): ["mr", "old", "pike"],
        people.person_added_at_desk(
            name="Mia Park", email="", language="en", by=coordinator, at=at, is_child=True
        ): ["mia"],
        library_cards.person_with_card(CARDS[0].patron, at=at, language="en"): ["delroy", "simmons"],
        single_sign_on.new_person(identity, at=at, language="en"): ["ana", "ruiz"],
    }
    assert {person: words_of(person) for person in created} == created
    check_name_words()


def test_words_of_the_first_coordinators_name_are_stored(db):
    accounts.library.set_up(
        at=timezone.now(),
        name="Harbor",
        time_zone="America/Chicago",
        language="en",
        branch="Central",
        coordinator_email="rosa@example.org",
        coordinator_name="Rosa Lindqvist",
    )
    assert words_of(User.objects.get()) == ["lindqvist", "rosa"]


def test_words_of_a_new_name_are_stored_when_an_invitation_is_accepted(branch, coordinator):
    at = timezone.now()
    person = UserFactory(name="", email="noor@example.org")
    person.emailaddress_set.create(email=person.email, primary=True, verified=True)
    link = invitations.invite(
        name="Noor Bakker",
        email=person.email,
        language="en",
        at_branches={branch: "staff"},
        by=coordinator,
        at=at,
    )
    invitations.accept(link.rstrip("/").rpartition("/")[2], person=person, at=at)
    assert words_of(person) == ["bakker", "noor"]


def test_words_of_the_surname_are_deleted_when_a_record_becomes_a_childs_record(zoe, coordinator):
    children.make_childs_record(zoe, by=coordinator, at=timezone.now())
    assert words_of(zoe) == ["zoe"]
    people.change_name(User.objects.get(pk=zoe.pk), name="Mia Park")
    assert words_of(zoe) == ["mia"]


@pytest.mark.parametrize(("own_name", "words"), [("", ["angstrom", "zoe"]), ("Sam", ["sam"])])
def test_remaining_record_of_a_merge_stores_only_the_words_of_its_own_name(zoe, own_name, words):
    into = UserFactory(name=own_name)
    merging.merge_people(zoe, into, by=into, at=timezone.now())
    assert words_of(into) == words
    check_name_words()


@pytest.mark.parametrize("own_name", ["", "Sam"])
def test_undoing_a_merge_restores_the_words_of_both_names(zoe, coordinator, own_name):
    into, at = UserFactory(name=own_name), timezone.now()
    merged = unmerging.merge_for_a_day(zoe, into, by=coordinator, at=at)
    person = unmerging.unmerge(merged, by=coordinator, at=at + datetime.timedelta(hours=1))
    assert (words_of(person), words_of(into)) == (["angstrom", "zoe"], own_name.lower().split())
    check_name_words()


def test_words_of_an_erased_persons_name_are_deleted(zoe, coordinator):
    erasure.erase(zoe, language="en", at=timezone.now())
    assert not NameWord.objects.exclude(person=coordinator).exists()
    check_name_words()


def test_rebuild_command_repairs_the_words_of_all_names(library, zoe, monkeypatch):
    monkeypatch.setattr("accounts.management.commands.rebuild_name_search.PEOPLE_AT_ONCE", 2)
    others = UserFactory.create_batch(4, name="Sam Okafor")
    User.objects.filter(pk=zoe.pk).update(name="Zoë Lindgren")
    NameWord.objects.filter(person__in=others[1:]).delete()
    call_command("rebuild_name_search")
    check_name_words()
