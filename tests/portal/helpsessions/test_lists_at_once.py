"""Test coordinators who change the lists of the record form at the same moment.

The tests run on PostgreSQL only, because SQLite allows one writer at a time and so hides races.
"""

import pytest
from django.db import connection
from django.utils import timezone

from portal.helpsessions import choices
from portal.helpsessions.models import OwnField, PatronGroup, ServicePoint, TallyKind
from tests.extent import times
from tests.factories import LibraryFactory, ServicePointFactory, StaffFactory
from tests.processes import rounds

ROUNDS = times(5, 50)

pytestmark = [
    pytest.mark.long,
    pytest.mark.django_db(transaction=True),
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
    pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite hides races; PostgreSQL does not"),
]


def save(what, number, branch, by):
    done = {"by": by, "at": timezone.now()}
    name = f"New {number}"
    if what == "group":
        choices.save_group(None, name=name, card_groups=[f"CARD {number}"], **done)
    elif what == "point":
        choices.save_point(None, branch=branch, name=name, **done)
    elif what == "field":
        choices.save_field(None, name=name, values=["A"], **done)
    else:
        point = branch.service_points.get(name="Front desk")
        choices.save_kinds(point, kinds=[(None, name, "k")], seen=[], **done)
    return "saved"


@pytest.mark.parametrize(
    ("what", "model", "refusal"),
    [
        ("group", PatronGroup, "NameTaken"),
        ("point", ServicePoint, "NameTaken"),
        pytest.param("field", OwnField, "NameTaken", marks=pytest.mark.core),
        ("kinds", TallyKind, "KindsChanged"),
    ],
)
def test_one_of_two_coordinators_who_add_the_same_name_is_refused(transactional_db, what, model, refusal):
    branch = LibraryFactory().default_branch
    people = [StaffFactory(branch=branch, branch__role="coordinator") for _ in range(2)]
    ServicePointFactory(branch=branch, name="Front desk")

    def before(number):
        OwnField.objects.all().delete()
        PatronGroup.objects.filter(is_other=False).delete()
        TallyKind.objects.all().delete()
        return number

    def after(number, outcomes):
        assert sorted(outcomes) == [refusal, "saved"]
        assert model.objects.filter(name=f"New {number}").count() == 1

    rounds(
        [lambda number, by=by: save(what, number, branch, by) for by in people],
        ROUNDS,
        before=before,
        after=after,
        refusals={refusal},
    )
