import threading
import uuid

import pytest
from django.db import connection, models
from django.db.models import OuterRef, Q, Subquery
from django.utils import timezone

from accounts.models import Branch, RefusedPost, StaffRole, User
from portal.prepared import insert, prepared
from tests.factories import BranchFactory, StaffFactory, UserFactory

KEY = models.BigAutoField()


@prepared(branches=KEY, role=models.CharField())
def _people(branches, role):
    roles = StaffRole.objects.filter(user=OuterRef("pk"), role=role)
    people = User.objects.filter(Q(staff_roles__branch__in=branches)).annotate(desk=Subquery(roles.values("branch__name")[:1])).order_by("name")
    return people.prefetch_related("staff_roles").only("name", "language")


@pytest.fixture
def two(branch):
    elsewhere = BranchFactory(name="Elsewhere")
    return StaffFactory(name="Ada", branch=branch), StaffFactory(name="Bo", branch=elsewhere), branch, elsewhere


def test_it_answers_as_the_queryset_would(two):
    ada, bo, branch, elsewhere = two
    for branches in ([branch.pk], [elsewhere.pk], [branch.pk, elsewhere.pk], []):
        found = _people(branches=branches, role="staff")
        expected = User.objects.filter(staff_roles__branch__in=branches).order_by("name")
        assert [(person, person.desk) for person in found] == [(person, person.roles[0].branch.name) for person in expected]


def test_what_was_left_out_is_read_when_it_is_needed_and_what_was_prefetched_is_there(two, django_assert_num_queries):
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
            lambda execute, sql, params, many, context: (used.append(context["connection"]), execute(sql, params, many, context))[1]
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
    row = RefusedPost(person=patron, path="/me/", fields={"body": ["50 % of “it”, or 'less'"]}, refused_at=timezone.now())
    with django_assert_num_queries(1):
        insert(row)
    assert RefusedPost.objects.filter(pk=row.pk).values().get() == {field.attname: getattr(row, field.attname) for field in RefusedPost._meta.concrete_fields}
    row.path = "/"
    row.save()
    assert RefusedPost.objects.values_list("path", flat=True).get() == "/"
