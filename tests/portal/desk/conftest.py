import uuid

import pytest
import time_machine

from tests.factories import BranchFactory, ItemFactory, StaffFactory

# 12:30 in the library's time zone.
NOON = "2026-03-04T18:30:00+00:00"


@pytest.fixture
def at_noon():
    with time_machine.travel(NOON, tick=False):
        yield


@pytest.fixture
def desk(client, staff, sign_in):
    """Return a browser where Rosa is signed in. She works at the default branch."""
    return sign_in(client, staff)


@pytest.fixture
def elsewhere(library):
    """Return a staff member of another branch."""
    return StaffFactory(name="Omar Elsewhere", branch=BranchFactory(name="Hill"))


@pytest.fixture
def item(branch):
    return ItemFactory(
        title="To Kill a Mockingbird", creators="Harper Lee", branch=branch, call_number="FIC LEE"
    )


@pytest.fixture
def typed(branch):
    """Return the function typed(**changes), which returns the posted fields of the record form for a visit.

    `changes` are new values of fields. If a new value is None, the field is left out.
    """

    def typed(**changes):
        fields = {
            "token": str(uuid.uuid4()),
            "question": "Books like Mockingbird?",
            "summary": "Two novels about growing up.",
            "mode": "phone",
            "question_type": "readers_advisory",
            "topic": "",
            "read_level": "3",
            "minutes": "6",
            "people": "1",
            "language": "en",
            "happened_on": "2026-03-04",
            "hour": "12",
            "branch": str(branch.pk),
            "note": "",
            "card": "",
            "items-TOTAL_FORMS": "0",
            "items-INITIAL_FORMS": "0",
            "action": "save",
        }
        return {name: value for name, value in (fields | changes).items() if value is not None}

    return typed
