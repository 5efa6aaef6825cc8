"""Test that columns.py says for every column what an export, a merge and an erasure do with it."""

from datetime import UTC, datetime

import pytest
from django.apps import apps
from django.utils import timezone

from accounts.models import User
from portal.privacy import contents, merging
from portal.privacy.merging import merge_people
from portal.privacy.policy import POLICY
from tests.architecture.guards import fail_if_any
from tests.factories import UserFactory
from tests.portal.privacy import columns

HELP = """
Decide what each new column means for privacy, then list it in tests/portal/privacy/columns.py:
1. In the person's export? Add it to its table in portal/privacy/export_tables/, to the title of that table,
   and to docs/export.md. Otherwise list it in LEFT_OUT with the reason.
2. Merging two records: if MERGED has the model, let portal/privacy/merging.py keep or combine the column,
   and list it in MERGED. A column of a person that is not KEPT also needs a value in VALUES of
   tests/portal/privacy/test_columns.py.
3. Erasing a person: if ERASED has the model, let portal/privacy/erasure.py or retention.py empty the column,
   unless it names nobody, and list it in ERASED.
Then correct what people read about it:
4. What the library keeps, until when and why: portal/privacy/policy_lines/. Patrons read it on the privacy
   page.
5. Who may see it: portal/privacy/who_sees_what.py.
6. The documents: AFTERWORD_MODE=development .venv/bin/python manage.py policy_docs
"""


def columns_of_model(label):
    return sorted(field.name for field in apps.get_model(label)._meta.concrete_fields)


def check_all_listed(listed_columns):
    """Fail unless `listed_columns`, {model label: names}, has each column of these models exactly once."""
    found = []
    for label, listed in listed_columns.items():
        columns_now = columns_of_model(label)
        missing = sorted(set(columns_now) - set(listed))
        too_many = sorted({name for name in listed if name not in columns_now or listed.count(name) > 1})
        if missing or too_many:
            found.append(f"{label}: not listed {missing}, listed twice or gone {too_many}.")
    fail_if_any(found, HELP)


def exported(label):
    """Return the columns whose values the export copies. Leave out columns that it reads with a function."""
    tables = [table for table in contents.TABLES.values() if table.model == label]
    paths = {
        source.split(".")[0]
        for table in tables
        for source in table.columns.values()
        if isinstance(source, str)
    }
    return [name for name in columns_of_model(label) if name in paths]


def exported_or_left_out(label):
    by_function = columns.EXPORTED_BY_FUNCTION.get(label, "").split()
    left_out = columns.columns_of(columns.LEFT_OUT.get(label, {}))
    return [*exported(label), *by_function, *left_out]


def test_every_column_is_exported_or_left_out_with_a_reason():
    check_all_listed({label: exported_or_left_out(label) for label in POLICY})


def test_columns_file_lists_every_column_of_rows_that_a_merge_combines():
    check_all_listed({label: columns.columns_of(fates) for label, fates in columns.MERGED.items()})


def test_columns_file_lists_every_column_of_rows_that_an_erasure_keeps():
    check_all_listed({label: columns.columns_of(fates) for label, fates in columns.ERASED.items()})


def test_columns_file_lists_every_model_whose_rows_a_merge_combines():
    combined = {
        label for (label, _field), move in merging.MERGED_BY.items() if move.__name__.startswith("_merge_")
    }
    # merge_people has no function for SavedItem: the function for SavedList also merges the items.
    assert combined | {"accounts.User", "lists.SavedItem"} == set(columns.MERGED), HELP


def test_every_model_listed_in_the_columns_file_exists():
    named = {*columns.LEFT_OUT, *columns.EXPORTED_BY_FUNCTION, *columns.MERGED, *columns.ERASED}
    assert named - set(POLICY) == set()


# {column that a merge fills in: (value in the deleted record, value in the remaining record, empty value)}
VALUES = {
    "email": ("going@example.org", "into@example.org", None),
    "name": ("Going", "Into", ""),
    "language": ("es", "en", ""),
    "has_shared_visits": (True, True, False),
    # A merge keeps the more private choice. A person who has died gets no check-ins.
    "check_ins": ("none", "none", ""),
    "check_in_titles": (False, False, False),
    "check_in_sent_at": (datetime(2026, 5, 3, tzinfo=UTC), datetime(2026, 5, 4, tzinfo=UTC), None),
    "died_at": (datetime(2026, 5, 3, tzinfo=UTC), datetime(2026, 5, 3, tzinfo=UTC), None),
}
# A merge copies all of these columns or none of them. test_merging.py tests this.
COPIED_TOGETHER = {"remember", "remember_until", "remember_chosen_at"}


def test_every_column_that_a_merge_fills_in_has_test_values():
    rules = columns.MERGED["accounts.User"]
    filled_in = {*rules[columns.IF_EMPTY].split(), *rules[columns.COMBINED].split()}
    assert set(VALUES) == filled_in - COPIED_TOGETHER, HELP


@pytest.mark.django_db
@pytest.mark.parametrize("name", VALUES)
def test_merge_fills_only_the_empty_columns_of_the_remaining_record(name):
    theirs, own, empty = VALUES[name]
    for before, after in [(own, own), (empty, theirs)]:
        going = UserFactory(email=None)
        into = UserFactory(email=None)
        for person, value in [(going, theirs), (into, before)]:
            User.objects.filter(pk=person.pk).update(**{name: value})
        kept = columns.MERGED["accounts.User"][columns.KEPT].split()
        own_values = User.objects.filter(pk=into.pk).values(*kept).get()
        merge_people(going, into, by=into, at=timezone.now())
        assert getattr(User.objects.get(pk=into.pk), name) == after
        assert User.objects.filter(pk=into.pk).values(*kept).get() == own_values
        into.delete()
