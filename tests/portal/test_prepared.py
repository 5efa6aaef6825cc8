import threading
import uuid

import pytest
from django.db import connection, models
from django.db.models import OuterRef, Q, Subquery
from django.db.models.expressions import RawSQL
from django.utils import timezone

from accounts.models import Branch, RefusedPost, StaffRole, User
from accounts.viewer import Viewer, for_viewers
from portal.helpsessions.models import HelpSession
from portal.prepared import insert, prepared
from tests.factories import BranchFactory, HelpSessionFactory, StaffFactory, UserFactory

KEY = models.BigAutoField()


@prepared(branches=KEY, role=models.CharField())
def _people(branches, role):
    roles = StaffRole.objects.filter(user=OuterRef("pk"), role=role)
    people = (
        User.objects.filter(Q(staff_roles__branch__in=branches))
        .annotate(desk=Subquery(roles.values("branch__name")[:1]))
        .order_by("name")
    )
    return people.prefetch_related("staff_roles").only("name", "language")


@pytest.fixture
def two(branch):
    elsewhere = BranchFactory(name="Elsewhere")
    return (
        StaffFactory(name="Ada", branch=branch),
        StaffFactory(name="Bo", branch=elsewhere),
        branch,
        elsewhere,
    )


def test_it_answers_as_the_queryset_would(two):
    ada, bo, branch, elsewhere = two
    for branches in ([branch.pk], [elsewhere.pk], [branch.pk, elsewhere.pk], []):
        found = _people(branches=branches, role="staff")
        expected = User.objects.filter(staff_roles__branch__in=branches).order_by("name")
        assert [(person, person.desk) for person in found] == [
            (person, person.roles[0].branch.name) for person in expected
        ]


def test_what_was_left_out_is_read_when_it_is_needed_and_what_was_prefetched_is_there(
    two, django_assert_num_queries
):
    ada, _bo, branch, _elsewhere = two
    with django_assert_num_queries(2):
        [found] = _people(branches=[branch.pk], role="staff")
        assert [role.branch_id for role in found.staff_roles.all()] == [branch.pk]
    with django_assert_num_queries(1):
        assert found.email == ada.email


def test_each_value_is_written_as_its_field_writes_it(patron):
    person = prepared(public_id=models.UUIDField(), since=models.DateTimeField())(
        lambda public_id, since: User.objects.filter(public_id=public_id, joined_at__gte=since)
    )
    assert person(public_id=patron.public_id, since=patron.joined_at) == [patron]
    assert person(public_id=uuid.uuid4(), since=patron.joined_at) == []


def test_none_is_another_query(staff, patron):
    @prepared(email=models.EmailField(), name=models.CharField())
    def people(email, name):
        return User.objects.filter(email=email, name=name)

    nameless = UserFactory(email=None, name="Sam")
    assert people(email=None, name="Sam") == [nameless]
    assert people(email=patron.email, name=patron.name) == [patron]
    assert people(email=None, name="Nobody") == []


def test_it_is_put_together_once(branch):
    made = []

    @prepared(pk=KEY)
    def one(pk):
        made.append(pk)
        return Branch.objects.filter(pk=pk)

    assert [one(pk=branch.pk), one(pk=0), one(pk=branch.pk)] == [[branch], [], [branch]]
    assert len(made) == 1


@pytest.mark.django_db(transaction=True)
def test_two_threads_ask_by_their_own_connections(library):
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


def test_a_row_is_inserted_as_saving_it_would(patron, staff, django_assert_num_queries):
    """Its defaults, its UUID, its moment, what refers to others, and its primary key afterwards."""
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


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"flat": True, "fields": ["name"]}, ["Ada", "Bo"]),
        ({"fields": ["name", "public_id"]}, None),
    ],
)
def test_values_are_a_list_of_values_or_of_tuples(two, columns, expected):
    ada, bo, *_places = two
    fields = columns.pop("fields")
    named = prepared(names=models.CharField())(
        lambda names: User.objects.filter(name__in=names).order_by("name").values_list(*fields, **columns)
    )
    assert named(names=["Ada", "Bo"]) == (expected or [("Ada", ada.public_id), ("Bo", bo.public_id)])


def test_related_rows_come_along_and_none_where_there_is_none(patron, branch):
    with_person = prepared(paths=models.CharField())(
        lambda paths: StaffRole.objects.filter(role__in=paths).select_related("user", "branch").order_by("pk")
    )
    role = StaffFactory(name="Ada", branch=branch).staff_roles.get()
    [found] = with_person(paths=[role.role])
    assert found._state.fields_cache.keys() == {"user", "branch"}
    assert (found.user.name, found.branch, found._state.db, found._state.adding) == (
        "Ada",
        branch,
        "default",
        False,
    )
    sessions = prepared(pk=KEY)(
        lambda pk: HelpSession.objects.filter(pk=pk).select_related("patron", "branch")
    )
    [found] = sessions(pk=HelpSessionFactory(patron=None, branch=branch).pk)
    assert (found.patron, found.branch) == (None, branch)


def test_a_value_may_stand_in_sql_of_ones_own(two):
    ada, bo, *_places = two
    called = prepared(name=models.CharField())(
        lambda name: (
            User.objects.filter(name=name)
            .annotate(same=RawSQL("CASE WHEN accounts_user.name = %s THEN 1 ELSE 0 END", [name]))
            .order_by("pk")
        )
    )
    assert [(person, person.same) for name in ("Ada", "Bo") for person in called(name=name)] == [
        (ada, 1),
        (bo, 1),
    ]


def test_what_nothing_can_meet_finds_nothing_and_asks_nothing(two, django_assert_num_queries):
    none = prepared(name=models.CharField())(lambda name: User.objects.filter(Q(pk__in=[]), name=name))
    with django_assert_num_queries(0):
        assert none(name="Ada") == []


@pytest.mark.django_db
@pytest.mark.parametrize("who", ["person", "code", "both", "nobody"])
def test_a_reader_is_asked_for_as_the_scope_has_it(who, patron, branch):
    """Each kind in turn, and then each again: what was put together for one opens nothing to another."""
    mine, opened, strangers = (
        HelpSessionFactory(patron=patron, branch=branch),
        HelpSessionFactory(branch=branch),
        HelpSessionFactory(branch=branch),
    )
    readers = {
        "person": Viewer(patron),
        "code": Viewer(None, [opened.pk]),
        "both": Viewer(patron, [opened.pk]),
        "nobody": Viewer(),
    }
    expected = {"person": {mine}, "code": {opened}, "both": {mine, opened}, "nobody": set()}
    asked = for_viewers(quiet=models.BooleanField())(
        lambda viewer, quiet: HelpSession.objects.belonging_to(viewer).filter(quiet=quiet)
    )
    for other in [*readers, who]:
        assert (
            set(asked(readers[other], quiet=False))
            == expected[other]
            == set(HelpSession.objects.belonging_to(readers[other]))
        )
        assert asked(readers[other], quiet=True) == []
    assert strangers.quiet is False


@pytest.mark.parametrize(
    ("sql", "params", "expected"),
    [
        ("SELECT %s || ' is 100 %%'", ["this"], "this is 100 %"),
        ("SELECT %s || %s", ["a", "%s"], "a%s"),
        ("SELECT %(one)s || %(two)s", {"one": "a", "two": "?"}, "a?"),
        ("SELECT '%s ?'", None, "%s ?"),
    ],
)
def test_a_statement_says_the_same_each_time(db, sql, params, expected):
    for _ in range(2):
        with connection.cursor() as cursor:
            cursor.execute(sql, params)
            assert cursor.fetchone() == (expected,)
