"""Test which people the desk finds if staff type parts of a name."""

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from accounts.models import User
from accounts.patron.people import person_with_address
from portal.desk.people import find
from portal.folding import fold
from tests.factories import BranchFactory, HelpSessionFactory, UserFactory

pytestmark = [pytest.mark.sql, pytest.mark.django_db]


def names(letters):
    return [person.name for person in find.by_name(letters)]


@pytest.mark.few_cases
@pytest.mark.parametrize(
    ("name", "found_by", "not_found_by"),
    [
        (
            "Zoë Ångström",
            ["zoe", "ZOË", "oe", "ström", "ang", "ångström", "ang zo", "zoe zoe z"],
            ["zoee", "zoe b"],
        ),
        ("Anne-Marie O’Brien", ["marie", "anne-m", "o'brien", "OBRI", "brien", "anne marie"], ["annem"]),
        ("Łucja Straße", ["lucja strasse", "łuc", "ucja"], ["lucjas"]),
        ("Maeve O'Sullivan", ["sullivan", "livan mae"], ["osulivan"]),
        ("李小龍", ["小龍", "李"], ["李大"]),
        ("Пётр Чехов", ["петр чех"], ["petr"]),
        ("%_* Smith", ["smith"], ["s%z", "z_mith", "sm*z"]),
        ("ΑΣ", ["ας", "ασ"], []),
    ],
)
def test_each_typed_word_must_be_part_of_a_word_of_the_name(library, name, found_by, not_found_by):
    UserFactory(name=name)
    UserFactory(name="Sam Okafor")
    for letters in found_by:
        assert names(letters) == [name], letters
    for letters in not_found_by:
        assert names(letters) == [], letters


@pytest.mark.only_long
@pytest.mark.slow
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.lists(st.text("aAbÅ\u0301ß -'\U0010fffd字", max_size=6), max_size=4),
    st.text("aAbÅ\u0301ß -'\U0010fffd字", max_size=4),
)
@example(["ab\U0010fffd"], "ab")
def test_name_search_finds_the_same_names_as_a_search_in_python(library, given_names, letters):
    User.objects.all().delete()
    for name in given_names:
        UserFactory(name=name)
    words = fold(letters).split()
    expected = [
        name
        for name in given_names
        if all(any(word in part for part in fold(name).split()) for word in words)
    ]
    assert sorted(names(letters)) == sorted(expected)


@pytest.mark.slow
@pytest.mark.parametrize("patrons", [1, 300])
def test_name_search_runs_the_same_number_of_queries_for_1_and_300_patrons(
    library, patrons, django_assert_num_queries
):
    zoe = UserFactory(name="Zoë Ångström")
    HelpSessionFactory(patron=zoe, branch=BranchFactory(name="Hill"))
    UserFactory.create_batch(patrons - 1, name="Zora Anders")
    with django_assert_num_queries(2):
        assert [person.branch for person in find.by_name("zoe ang")] == ["Hill"]


def test_up_to_eight_matching_people_are_listed_in_alphabetical_order(library):
    people = [UserFactory(name=f"Sam Smith {letter}") for letter in "HGFEDCBA"]
    assert names("smi") == sorted(person.name for person in people)
    UserFactory(name="Smilla")
    with pytest.raises(find.TooMany):
        find.by_name("smi")


def test_person_is_counted_once_if_several_words_of_the_name_match(library):
    UserFactory.create_batch(find.MAX_LISTED, name="Mara Marie Marlow")
    assert len(names("mar")) == find.MAX_LISTED


def test_inactive_people_are_neither_found_nor_counted(library):
    UserFactory.create_batch(find.MAX_LISTED + 1, name="Sam Smith", is_active=False)
    UserFactory(name="Sam Okafor")
    assert names("sam") == ["Sam Okafor"]


def test_person_with_only_an_unconfirmed_address_is_not_found(library):
    person = person_with_address("typed@example.org", at=timezone.now())
    person.name = "Typed Name"
    person.save()
    assert names("typed") == []
