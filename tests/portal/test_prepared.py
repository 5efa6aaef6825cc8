import threading
import uuid

import pytest
from django.db import DatabaseError, connection, models
from django.db.models import F, OuterRef, Q, Subquery, Value
from django.db.models.expressions import RawSQL
from django.utils import timezone

from accounts.models import Branch, RefusedPost, StaffRole, User
from accounts.viewer import Viewer, for_viewers
from portal.helpsessions.models import HelpSession
from portal.prepared import (
    CachedCompiler,
    insert,
    insert_all,
    insert_if_new,
    prepared,
    update,
    update_all,
    update_rows,
)
from tests.factories import BranchFactory, HelpSessionFactory, StaffFactory, TopicFactory, UserFactory

# Each case runs a different SQL statement.
pytestmark = [pytest.mark.sql, pytest.mark.core]

KEY = models.BigAutoField()
NAME = models.CharField()


@pytest.fixture
def two(branch):
    """Return (Ada, Bo, Ada's branch, Bo's branch)."""
    elsewhere = BranchFactory(name="Elsewhere")
    ada, bo = StaffFactory(name="Ada", branch=branch), StaffFactory(name="Bo", branch=elsewhere)
    return ada, bo, branch, elsewhere


def _with_branch_name(people):
    roles = StaffRole.objects.filter(user=OuterRef("pk")).order_by("pk")
    return people.annotate(desk=Subquery(roles.values("branch__name")[:1]))


SHAPES = {
    "objects": lambda name: User.objects.filter(name=name),
    "related objects": lambda name: StaffRole.objects.filter(user__name=name).select_related(
        "user", "branch"
    ),
    "related objects that are null": lambda name: HelpSession.objects.filter(staff__name=name).select_related(
        "patron", "branch"
    ),
    "reverse one-to-one": lambda name: User.objects.filter(name=name).select_related("desk_pin"),
    "some columns": lambda name: (
        StaffRole.objects.filter(user__name=name).select_related("user").only("role", "user__name")
    ),
    "annotations": lambda name: _with_branch_name(User.objects.filter(name=name).annotate(again=F("name"))),
    "prefetched": lambda name: User.objects.filter(name=name).prefetch_related("staff_roles__branch"),
    "ordered slice": lambda name: User.objects.filter(Q(name=name) | Q(name="Bo")).order_by("-name")[:1],
    "union": lambda name: User.objects.filter(
        pk__in=User.objects.filter(name=name).values("pk").union(User.objects.filter(name="Bo").values("pk"))
    ).order_by("pk"),
    "distinct, ordered by another column": lambda name: (
        User.objects.filter(staff_roles__user__name=name).order_by("staff_roles__branch__name").distinct()
    ),
    "tuples": lambda name: User.objects.filter(name=name).values_list("public_id", "joined_at"),
    "named tuples": lambda name: User.objects.filter(name=name).values_list("public_id", "name", named=True),
    "single values": lambda name: User.objects.filter(name=name).values_list("joined_at", flat=True),
    "dictionaries": lambda name: User.objects.filter(name=name).values("name", again=F("public_id")),
    "constants": lambda name: (
        User.objects.filter(name=name)
        .exclude(email="it's 5% of \\ %s")
        .annotate(words=Value("it's 5% of \\ %s"), number=Value(3), is_true=Value(True))
    ),
    "raw SQL": lambda name: User.objects.annotate(
        same=RawSQL("CASE WHEN accounts_user.name = %s THEN 1 ELSE 0 END", [name])
    ).order_by("name"),
}


def _everything_in(row):
    """Return a row's class, fields, state and loaded related objects, so that rows can be compared."""
    if not isinstance(row, models.Model):
        return row
    related = {name: _everything_in(value) for name, value in row._state.fields_cache.items()}
    fetched = getattr(row, "_prefetched_objects_cache", {})
    prefetched = {name: list(rows) for name, rows in fetched.items()}
    loaded = {name: value for name, value in vars(row).items() if not name.startswith("_")}
    return type(row), loaded, row._state.db, row._state.adding, related, prefetched


@pytest.mark.parametrize("shape", SHAPES)
def test_prepared_query_returns_the_same_rows_as_its_queryset(two, shape, django_assert_num_queries):
    """Compare the rows and related objects with those of the queryset, and count queries.

    If this test fails after an upgrade of Django, querysets no longer use a compiler in the way that
    CachedCompiler needs.
    """
    HelpSessionFactory(patron=None, staff=two[0], branch=two[2])
    run = prepared(name=NAME)(SHAPES[shape])
    for name in ("Ada", "Bo", "Nobody", "Ada"):
        expected = [_everything_in(row) for row in SHAPES[shape](name)]
        with django_assert_num_queries(3 if shape == "prefetched" and expected else 1):
            found = [_everything_in(row) for row in run(name=name)]
        assert found == expected


def test_only_values_of_arguments_are_parameters_of_a_prepared_query(two):
    """All other values are part of the SQL text, so that PostgreSQL can plan with a partial index."""
    run, statements = prepared(name=NAME)(lambda name: User.objects.filter(name=name, language="es")), []

    def watch(execute, sql, params, many, context):
        statements.append((sql, params))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(watch):
        run(name="Ada")
    [(sql, params)] = statements
    assert params == ("Ada",)
    assert "= 'es'" in sql


def test_prepared_query_is_compiled_once(two, monkeypatch):
    """Call a prepared query three times, and check that it compiles once.

    If this test fails after an upgrade of Django, Django may no longer call `query.get_compiler`.
    """
    compiled, called = [], []
    init = CachedCompiler.__init__
    monkeypatch.setattr(
        CachedCompiler,
        "__init__",
        lambda self, query, *rest: (compiled.append(query), init(self, query, *rest))[1],
    )

    @prepared(pk=KEY)
    def one(pk):
        called.append(pk)
        return Branch.objects.filter(pk=pk)

    branch = two[2]
    assert [one(pk=branch.pk), one(pk=0), one(pk=branch.pk)] == [[branch], [], [branch]]
    assert (len(called), len(compiled)) == (1, 1)


def test_prepared_query_accepts_a_list_of_any_length(two):
    ada, bo, branch, elsewhere = two
    staff = prepared(branches=KEY)(
        lambda branches: User.objects.filter(staff_roles__branch__in=branches).order_by("name")
    )
    for branches, expected in (
        ([branch.pk], [ada]),
        ([elsewhere.pk], [bo]),
        ([branch.pk, elsewhere.pk], [ada, bo]),
        ([], []),
    ):
        assert staff(branches=branches) == expected


def test_prepared_query_loads_a_deferred_column_on_access(patron, django_assert_num_queries):
    people = prepared(name=NAME)(lambda name: User.objects.filter(name=name).only("name"))
    [found] = people(name=patron.name)
    with django_assert_num_queries(1):
        assert found.email == patron.email


def test_prepared_query_converts_arguments_to_the_type_of_their_field(patron):
    person = prepared(public_id=models.UUIDField(), since=models.DateTimeField())(
        lambda public_id, since: User.objects.filter(public_id=public_id, joined_at__gte=since)
    )
    assert person(public_id=patron.public_id, since=patron.joined_at) == [patron]
    assert person(public_id=uuid.uuid4(), since=patron.joined_at) == []


def test_prepared_query_with_a_none_argument_finds_null_values(staff, patron):
    @prepared(email=models.EmailField(), name=NAME)
    def people(email, name):
        return User.objects.filter(email=email, name=name)

    nameless = UserFactory(email=None, name="Sam")
    assert people(email=None, name="Sam") == [nameless]
    assert people(email=patron.email, name=patron.name) == [patron]
    assert people(email=None, name="Nobody") == []


def test_prepared_query_with_an_impossible_condition_runs_no_sql(two, django_assert_num_queries):
    none = prepared(name=NAME)(lambda name: User.objects.filter(Q(pk__in=[]), name=name))
    with django_assert_num_queries(0):
        assert none(name="Ada") == []


@pytest.mark.django_db(transaction=True)
def test_prepared_query_uses_a_separate_database_connection_in_each_thread(library):
    one = prepared(pk=KEY)(lambda pk: Branch.objects.filter(pk=pk))
    used, branch = [], library.default_branch

    def ask():
        with connection.execute_wrapper(
            lambda execute, sql, params, many, context: (
                used.append(context["connection"]),
                execute(sql, params, many, context),
            )[1]
        ):
            assert one(pk=branch.pk) == [branch]
        connection.close()

    ask()
    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    assert used[0] is not used[1]


def test_prepared_insert_stores_the_same_row_as_save(patron, staff, django_assert_num_queries):
    """Compare every column of the stored row with the object, including defaults and foreign keys."""
    row = RefusedPost(
        person=patron, path="/me/", fields={"body": ["50 % of “it”, or 'less'"]}, refused_at=timezone.now()
    )
    with django_assert_num_queries(1):
        insert(row)
    assert RefusedPost.objects.filter(pk=row.pk).values().get() == {
        field.attname: getattr(row, field.attname) for field in RefusedPost._meta.concrete_fields
    }
    row.path = "/"
    row.save()
    assert RefusedPost.objects.values_list("path", flat=True).get() == "/"


def test_row_with_a_unique_value_of_another_row_is_not_inserted(branch, staff, django_assert_num_queries):
    known = HelpSessionFactory(branch=branch, staff=staff, question="The first one")
    row, new = (
        HelpSessionFactory.build(branch=branch, staff=staff, public_id=public_id)
        for public_id in (known.public_id, uuid.uuid4())
    )
    with django_assert_num_queries(2):
        assert insert_if_new(row) is False
        assert insert_if_new(new) is True
    assert row.pk is None
    assert set(HelpSession.objects.values_list("pk", "question")) == {
        (known.pk, "The first one"),
        (new.pk, new.question),
    }


def test_insert_all_stores_the_same_rows_as_saving_each_object(branch, django_assert_num_queries):
    common = HelpSessionFactory.build(branch=branch, staff=None, own_values={"1": 2}, mode="phone")
    topic, at = TopicFactory(), timezone.now()
    rows = [
        {
            "public_id": uuid.uuid4(),
            "topic_id": topic.pk if number else None,
            "question": "¿Dónde está “{el} baño”, 100 %s?",
            "quiet": number == 2,
            "happened_on": at.date(),
            "created_at": at,
            "minutes": number or None,
        }
        for number in range(3)
    ]
    with django_assert_num_queries(1):
        insert_all(common, rows)
    insert_all(common, [])
    stored = {row.pop("public_id"): row for row in HelpSession.objects.order_by("pk").values()}
    assert list(stored) == [row["public_id"] for row in rows]
    HelpSession.objects.all().delete()
    for row in rows:
        common.pk, common._state.adding = None, True
        for name, value in row.items():
            setattr(common, name, value)
        common.save()
    [*saved] = HelpSession.objects.order_by("pk").values()
    for one, another in zip(stored.values(), saved, strict=True):
        assert one | {"id": 0} == {key: value for key, value in another.items() if key != "public_id"} | {
            "id": 0
        }


def test_prepared_update_saves_every_column_of_only_one_row(patron, staff, django_assert_num_queries):
    now = timezone.now()
    row, other = (
        RefusedPost.objects.create(person=patron, path="/", fields={}, refused_at=now) for _ in range(2)
    )
    row.person, row.path, row.fields = staff, "/me/", {"body": ["50 % of “it”, or 'less'"]}
    with django_assert_num_queries(1):
        update(row)
    for saved in (row, other):
        assert RefusedPost.objects.filter(pk=saved.pk).values().get() == {
            field.attname: getattr(saved, field.attname) for field in RefusedPost._meta.concrete_fields
        }


def test_prepared_update_of_a_deleted_row_fails(patron):
    row = RefusedPost.objects.create(person=patron, path="/", fields={}, refused_at=timezone.now())
    RefusedPost.objects.all().delete()
    with pytest.raises(DatabaseError):
        update(row)
    assert not RefusedPost.objects.exists()


@pytest.mark.parametrize("handed_over_at", [None, timezone.now()], ids=["null", "value"])
def test_prepared_update_changes_only_rows_that_meet_all_conditions(branch, patron, handed_over_at):
    now = timezone.now()
    visits = {
        (owner, at): HelpSessionFactory(branch=branch, patron=owner, handed_over_at=at)
        for owner in (None, patron)
        for at in (None, handed_over_at or now)
    }
    where = {"patron": patron.pk, "handed_over_at": handed_over_at}
    changes = {"summary": "100 %", "handed_over_at": None}
    assert update_rows(HelpSession, changes, **where) == 1
    changed = visits[patron, handed_over_at]
    assert list(HelpSession.objects.filter(summary="100 %")) == [changed]
    changed.refresh_from_db()
    assert changed.handed_over_at is None
    assert update_rows(HelpSession, changes, pk=0) == 0


def test_update_all_changes_only_the_named_columns_of_the_given_rows(branch, patron):
    visits = HelpSessionFactory.create_batch(4, branch=branch, summary="before", question="before")
    for number, visit in enumerate(visits[:3]):
        visit.summary, visit.question = f"{number} %", "not saved"
        visit.patron = patron if number else None
    update_all(visits[:3], ["summary", "patron"])
    update_all([], ["summary"])
    rows = HelpSession.objects.order_by("pk").values_list("summary", "question", "patron")
    assert list(rows) == [
        ("0 %", "before", None),
        ("1 %", "before", patron.pk),
        ("2 %", "before", patron.pk),
        ("before", "before", visits[3].patron_id),
    ]


@pytest.mark.parametrize("who", ["person", "code", "both", "nobody"])
def test_prepared_query_returns_only_objects_that_the_viewer_may_open(who, patron, branch):
    """Run the same prepared query for one kind of viewer after another."""
    mine, opened, strangers = (
        HelpSessionFactory(patron=patron, branch=branch),
        HelpSessionFactory(branch=branch),
        HelpSessionFactory(branch=branch),
    )
    viewers = {
        "person": Viewer(patron),
        "code": Viewer(None, [opened.pk]),
        "both": Viewer(patron, [opened.pk]),
        "nobody": Viewer(),
    }
    expected = {"person": {mine}, "code": {opened}, "both": {mine, opened}, "nobody": set()}
    asked = for_viewers(quiet=models.BooleanField())(
        lambda viewer, quiet: HelpSession.objects.belonging_to(viewer).filter(quiet=quiet)
    )
    for other in [*viewers, who]:
        assert (
            set(asked(viewers[other], quiet=False))
            == expected[other]
            == set(HelpSession.objects.belonging_to(viewers[other]))
        )
        assert asked(viewers[other], quiet=True) == []
    assert strangers.quiet is False
