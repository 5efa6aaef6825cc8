"""Test exports and erasures for every person of the demo library.

The tests find a person's rows by foreign keys. A row belongs to the person if its foreign key points to the
person, or to another row that belongs to the person.
"""

import datetime
import json
import re

import pytest
from django.apps import apps
from django.db import connection, models

from accounts.models import StaffRole, User
from portal.counts.actions import rebuild
from portal.counts.answers import count_answers
from portal.counts.models import TABLES
from portal.demo import build as demo_build
from portal.privacy import contents, erasure
from portal.privacy.policy import POLICY
from recommendations.models import Item

from . import everything

pytestmark = pytest.mark.only_long

WEDNESDAY_AFTERNOON = datetime.datetime(2026, 3, 18, 20, tzinfo=datetime.UTC)
# The names of the foreign keys that say who owns a row.
OWNERS = {"user", "person", "patron", "recipient"}
UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# {model: conditions} for rows in a patron's conversation that belong to the library, such as staff drafts.
LIBRARYS_OWN = {
    "conversations.Draft": {"side": "staff"},
    "conversations.Participation": {"side": "staff"},
    "conversations.Attachment": {"side": "staff", "message": None},
    "conversations.Conversation": {"last_message_at": None},
    "notifications.Notification": {"kind": "conversations/mention"},
}
# The columns that contain what people wrote.
TEXT_COLUMNS = {
    "accounts.User": ["name", "email"],
    "conversations.Message": ["body"],
    "conversations.ConversationNote": ["body"],
    "conversations.Draft": ["body"],
    "conversations.CallBack": ["number", "ask_for"],
    "conversations.ReadersForm": ["loved", "mood", "avoid", "for_whom"],
    "helpsessions.HelpSession": ["question", "summary"],
    "helpsessions.SessionNote": ["body"],
    "recommendations.Recommendation": ["reason", "comment"],
}


@pytest.fixture(scope="module")
def built(built_once, tmp_path_factory):
    def build():
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(demo_build, "CODES_FILE", tmp_path_factory.mktemp("demo") / "codes.json")
            demo_build.build(at=WEDNESDAY_AFTERNOON)

    with built_once(build):
        yield


@pytest.fixture
def people(db, built):
    return list(User.objects.order_by("pk"))


def owned(people):
    """Return {model label: primary keys} for rows that these people own, directly or through other rows."""
    found = {"accounts.User": {person.pk for person in people}}
    grown = True
    while grown:
        grown = False
        for model in apps.get_models():
            for field in model._meta.concrete_fields:
                theirs = found.get(field.related_model._meta.label) if field.is_relation else None
                part_of = (
                    field.is_relation
                    and field.remote_field.on_delete is models.CASCADE
                    and field.related_model is not User
                )
                if theirs and (part_of or (field.related_model is User and field.name in OWNERS)):
                    rows = set(
                        model._base_manager.filter(**{f"{field.name}__in": theirs}).values_list(
                            "pk", flat=True
                        )
                    )
                    grown |= not rows <= found.setdefault(model._meta.label, set())
                    found[model._meta.label] |= rows
    return found


def words_of(found):
    """Return all text in people's records, and all text longer than 20 characters in other rows."""
    words = set()
    for label, columns in TEXT_COLUMNS.items():
        for values in (
            apps.get_model(label)._base_manager.filter(pk__in=found.get(label, ())).values_list(*columns)
        ):
            words |= {value for value in values if value and (len(value) > 20 or label == "accounts.User")}
    return words


def text_of(rows, *, without=None):
    """Join all values of the rows into one text.

    `without` is {model label: primary keys} of rows to leave out.
    """
    without = without or {}
    return "\n".join(
        value
        for label, table in rows.items()
        for pk, row in table.items()
        if pk not in without.get(label, ())
        for value in row.values()
    )


def exported(person):
    """Return the rows of the person's export as {model label: rows}."""
    said = {
        table.model: list(contents.entries(table, person, WEDNESDAY_AFTERNOON))
        for table in contents.TABLES.values()
    }
    return json.loads(json.dumps(said))


def totals():
    """Return {model label: {key: sums of the numbers}} of the tables of counts."""
    return {
        label_of(table): {
            row[: len(table.KEY)]: row[len(table.KEY) :]
            for row in table.objects.order_by()
            .values_list(*table.KEY)
            .annotate(*[models.Sum(name) for name in table.NUMBERS])
        }
        for table in TABLES
    }


def label_of(model):
    return model._meta.label


def test_export_of_a_demo_person_contains_exactly_the_rows_of_that_person(people):
    sizes = {}
    for person in people:
        theirs = owned([person])
        said = exported(person)
        text = json.dumps(said, ensure_ascii=False)
        ids = set()
        for label in (label for label, line in POLICY.items() if line.exported):
            model = apps.get_model(label)
            rows = model._base_manager.filter(pk__in=theirs.get(label, ())).exclude(
                **LIBRARYS_OWN.get(label, {"pk": None})
            )
            if label == "conversations.Participation":
                rows = rows.filter(person=person)
            if hasattr(model, "public_id"):
                there = {str(public_id) for public_id in rows.values_list("public_id", flat=True)}
                ids |= there
                if "id" in next(iter(said[label]), {}):
                    assert {row["id"] for row in said[label]} == there, (person, label)
            assert len(said[label]) == rows.count(), (person, label)
            sizes[label] = sizes.get(label, 0) + rows.count()
        about = {row["id"] for row in said["accounts.AuditEvent"]} | {
            row["about"] for row in said["accounts.Consent"]
        }
        # Emails about an item contain the address of its page.
        items = Item.objects.filter(recommendations__patron=person)
        about |= {str(public_id) for public_id in items.values_list("public_id", flat=True)}
        assert set(UUID.findall(text)) <= ids | about
    kinds_in_the_demo = {label for label, size in sizes.items() if size}
    assert len(kinds_in_the_demo) >= 15


def test_export_contains_neither_texts_of_other_people_nor_internal_staff_notes(people):
    everybody = {
        label: set(apps.get_model(label)._base_manager.values_list("pk", flat=True)) for label in TEXT_COLUMNS
    }
    notes = {label: pks for label, pks in everybody.items() if label.endswith("Note")}
    all_words, words_of_the_desk = words_of(everybody), words_of(notes)
    assert len(words_of_the_desk) > 10
    rows = everything.rows()
    for person in people:
        theirs = {label: pks for label, pks in owned([person]).items() if label not in notes}
        own = text_of(
            {
                label: {pk: row for pk, row in table.items() if pk in theirs.get(label, ())}
                for label, table in rows.items()
            }
        )
        text = "\n".join(
            str(value) for said in exported(person).values() for row in said for value in row.values()
        )
        staff = set(
            User.objects.filter(pk__in=StaffRole.objects.values("user")).values_list("name", flat=True)
        )
        foreign = {word for word in all_words if word not in own} - staff
        assert [word for word in foreign if word in text] == [], person
        assert [word for word in words_of_the_desk if word in text and word not in own] == []


def test_erasing_demo_patrons_removes_their_data_and_keeps_the_data_of_other_people(people):
    """Erase every second patron first, and then the others."""
    patrons = [person for person in people if not person.is_staff]
    assert len(patrons) == 41
    rebuild()
    count_answers(at=WEDNESDAY_AFTERNOON)
    for going in (patrons[::2], patrons[1::2]):
        before, theirs = everything.rows(), owned(going)
        counted = totals()
        stays = text_of(before, without=theirs)
        words = {word for word in words_of(theirs) if word not in stays}
        assert len(words) > 50
        for person in going:
            erasure.erase(person, language="en", at=WEDNESDAY_AFTERNOON)
        # The worker deletes the emails with receipts after sending them.
        apps.get_model("notifications.Notification").objects.filter(kind="privacy/erased").delete()
        after = everything.rows()
        left = text_of(after)
        assert [word for word in words if word in left] == []
        assert [person for person in going if str(person.public_id) in left] == []
        assert [found for person in going for found in everything.pointing_at(person)] == []
        for label, table in before.items():
            # Erased sessions move from one row of a table of counts to another one.
            if label not in {"conversations.BranchQueue", "sessions.Session", *map(label_of, TABLES)}:
                others = {pk: row for pk, row in table.items() if pk not in theirs.get(label, ())}
                assert {pk: after[label].get(pk) for pk in others} == others, label
        assert totals() == counted
    connection.check_constraints()
