"""Upgrade a database of version 0.1 and check its data."""

import datetime
import uuid

import pytest
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from django.core import mail
from django.core.cache import cache
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.test import RequestFactory
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.crypto import salted_hmac

from accounts.models import AuditEvent, Library, User
from portal import limits
from portal.conversations.models import Conversation
from portal.desk.people import find
from portal.helpsessions.models import UnfinishedForm
from portal.jobs import JOBS
from portal.notifications.models import Notification, RepeatedJob
from portal.privacy import holds, unmerging
from portal.privacy.models import MergedRecords
from portal.worker import Worker
from recommendations.models import Topic
from tests.name_words import check_name_words

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.only_long]

BEFORE = [
    ("accounts", "0013_addresses_that_wait"),
    ("conversations", "0004_erased_writers"),
    ("helpsessions", "0006_the_childs_alone"),
    ("notifications", "0002_mails_whose_address_is_forgotten"),
    ("portal", None),
    ("privacy", "0004_what_a_hold_leaves"),
    ("recommendations", "0002_text_index"),
]
NOW = timezone.now().replace(microsecond=0)
ADDRESS = "sam@example.org"


@pytest.fixture
def old_models(transactional_db):
    """Migrate back to version 0.1 and return a function that gets an old model by its label."""
    MigrationExecutor(connection).migrate(BEFORE)
    there = [node for node in BEFORE if node[1]]
    apps = MigrationExecutor(connection).loader.project_state(there).apps
    yield lambda label: apps.get_model(label)
    upgrade()
    cache.clear()


def upgrade():
    executor = MigrationExecutor(connection)
    executor.migrate(executor.loader.graph.leaf_nodes())


@pytest.fixture
def before(old_models):
    """Create old rows whose model, columns or values have been renamed since version 0.1."""

    def make(label, **fields):
        return old_models(label).objects.create(**fields)

    library = make(
        "accounts.Library",
        pk=1,
        name="Harbor",
        accent_colour="#123456",
        catalogue_link="https://c.example/{isbn}",
    )
    branch = make("accounts.Branch", name="Central", slug="central")
    old_models("accounts.Library").objects.filter(pk=library.pk).update(default_branch=branch)
    password = {"password": "!unusable"}
    patron = make("accounts.User", email=ADDRESS, name="Sam Okafor", holds_shared=True, **password)
    staff = make("accounts.User", email="rosa@example.org", name="Rosa Lindqvist", **password)
    make("accounts.StaffRole", user=staff, branch=branch, role="coordinator")
    jobs = make("recommendations.Topic", name="Jobs", name_es="Empleo")
    visit = make(
        "helpsessions.HelpSession",
        status="unfinished",
        staff=staff,
        branch=branch,
        topic=jobs,
        happened_on=NOW.date(),
        hour=9,
        created_at=NOW,
    )
    times = {"opened_at": NOW, "at_desk_from": NOW, "queued_at": NOW, "last_message_at": NOW}
    kept = make(
        "conversations.Conversation",
        patron=patron,
        branch=branch,
        subject="Kept",
        status="waiting_for_patron",
        reason="asked",
        held_from=NOW + datetime.timedelta(days=1),
        held_status="waiting_for_staff",
        **times,
    )
    make(
        "conversations.Conversation",
        patron=patron,
        branch=branch,
        subject="Merged",
        status="closed",
        closed_at=NOW,
        reason="asked",
        joined_into=kept,
        **times,
    )
    make("helpsessions.UnfinishedForm", help_session=visit, fields={"thread": "x", "q": ""}, saved_at=NOW)
    for action, where in [("joined_people", ""), ("parted_people", ""), ("opened", "thread")]:
        make(
            "accounts.AuditEvent",
            at=NOW,
            action=action,
            where=where,
            by=staff,
            patron=patron,
            subject_type="user",
            subject=str(patron.public_id),
        )
    make(
        "notifications.Notification",
        kind="privacy/joined",
        channel="email",
        recipient=patron,
        to_address=ADDRESS,
        language="en",
        subject="Undelivered",
        text="Still to come.",
        message_id="<1@example.org>",
        created_at=NOW,
        due_at=NOW,
    )
    for name in ("close_the_quiet", "release_the_left_lying", "forget_joined_records", "seal_anew"):
        make("notifications.RepeatedJob", name=name, due_at=NOW)
    make(
        "privacy.LegalHold",
        kind="person",
        name=str(patron.public_id),
        person=patron,
        reason="Case 12",
        set_at=NOW,
    )
    make("privacy.JoinedRecords", into=patron, by=staff, joined_at=NOW, before=merged_before(staff))
    count_in_cache("question", "person", patron.pk, times=20)
    return {"patron": patron, "session": sign_in_before(patron)}


def merged_before(staff):
    """Return the snapshot of a record that was merged today, in the format of version 0.1."""
    person = {
        "id": staff.pk + 100,
        "public_id": str(uuid.uuid4()),
        "password": "!unusable",
        "last_login": None,
        "email": "sam.second@example.org",
        "name": "Sam",
        "language": "en",
        "is_active": True,
        "joined_at": NOW.isoformat(),
        "remember": "365",
        "remember_until": None,
        "remember_chosen_at": None,
        "child_since": None,
        "holds_shared": False,
    }
    return {
        "person": person,
        "moved": [["privacy.JoinedRecords", "into", []]],
        "rows": [],
        "address": [ADDRESS, False],
        "melted": [],
        "ended": [],
    }


def count_in_cache(what, by, value, *, times):
    mark = salted_hmac("portal.limits", f"{by}:{value}", algorithm="sha256").hexdigest()[:32]
    moments = " ".join(repr(NOW.timestamp() - number) for number in range(times))
    expires = connection.ops.adapt_datetimefield_value(NOW + datetime.timedelta(days=1))
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO cache (cache_key, value, expires) VALUES (%s, %s, %s)",
            [f":1:limit:{what}:{by}:{mark}", moments, expires],
        )


def sign_in_before(patron):
    """Store a session in the format of version 0.1, and return its key."""
    session = SessionStore()
    session[SESSION_KEY] = str(patron.pk)
    session[BACKEND_SESSION_KEY] = "accounts.sessions.SignedIn"
    session[HASH_SESSION_KEY] = User(password=patron.password).get_session_auth_hash()
    session.save()
    return session.session_key


def test_data_of_the_old_version_is_complete_after_the_upgrade(before, client):
    patron_key = before["patron"].pk
    upgrade()
    patron, library = User.objects.get(pk=patron_key), Library.objects.get()
    assert [person.pk for person in find.by_name("okaf sam")] == [patron_key]
    check_name_words()

    assert (library.accent_color, library.catalog_link) == ("#123456", "https://c.example/{isbn}")
    assert patron.has_shared_visits
    topic = Topic.objects.get()
    with translation.override("es"):
        in_spanish = str(topic)
    assert (topic.name, in_spanish) == ("Jobs", "Empleo")

    kept, merged = Conversation.objects.order_by("pk")
    assert (merged.merged_into, kept.patron_status) == (kept, "waiting_for_staff")
    assert kept.status_at(NOW) == "waiting_for_staff"
    assert UnfinishedForm.objects.get().fields == {"conversation": "x", "q": ""}
    assert list(AuditEvent.objects.order_by("pk").values_list("action", "where")) == [
        ("merged_people", ""),
        ("unmerged_people", ""),
        ("opened", "conversation"),
    ]

    assert holds.held(patron)
    assert {job.name for job in RepeatedJob.objects.all()} == {
        "close_after_silence",
        "release_untouched",
        "forget_merged_records",
        "seal_anew",
    }
    assert {job.name for job in RepeatedJob.objects.all()} <= {job.__name__ for job, _every in JOBS}

    request = RequestFactory().post("/ask/")
    request.user = patron
    with pytest.raises(limits.TooOften):
        limits.count(request, "question")

    Worker().deliver_due()
    assert [message.subject for message in mail.outbox] == ["Undelivered"]
    assert Notification.objects.get().kind == "privacy/merged"

    client.cookies[settings.SESSION_COOKIE_NAME] = before["session"]
    assert "Sam Okafor" in client.get(reverse("me")).content.decode()

    coordinator = User.objects.get(email="rosa@example.org")
    merged_today = MergedRecords.objects.get()
    again = unmerging.unmerge(merged_today, by=coordinator, at=NOW + datetime.timedelta(hours=1))
    assert (again.email, again.has_shared_visits) == ("sam.second@example.org", False)
