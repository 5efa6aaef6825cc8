"""Test when a browser that opened a visit by code can get push messages, and when it no longer gets them."""

from datetime import timedelta

import pytest
from django.utils import timezone

from portal.helpsessions import actions, forgetting, handover, keeping, push
from portal.helpsessions.models import ClaimCode, HelpSession
from portal.helpsessions.push import NotOffered, subscribe_by_code
from portal.notifications.models import PushSubscription
from portal.privacy import deleting, sharing
from portal.privacy.wrong_patron import remove_wrong_patron
from tests.factories import (
    ChildFactory,
    HelpSessionFactory,
    PushSubscriptionFactory,
    QuietSessionFactory,
    SharedSessionFactory,
    UserFactory,
)
from tests.portal.privacy.test_correcting import change
from tests.push_device import PRIVATE_KEY, PushDevice

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _push_is_set_up(settings):
    settings.PUSH_PRIVATE_KEY = PRIVATE_KEY


def opened(visit, staff):
    """Make a code that opens the visit, and return the primary key of the ClaimCode."""
    handover.make_code(visit, by=staff, at=timezone.now())
    return visit.claim_codes.latest("pk").pk


def subscribed(visit, *codes):
    return subscribe_by_code(
        visit, opened_codes=codes, at=timezone.now(), language="en", device="Firefox", **PushDevice().keys
    )


def test_subscription_to_a_visit_ends_when_the_code_expires(branch, staff):
    visit = HelpSessionFactory(branch=branch)
    row = subscribed(visit, opened(visit, staff))
    assert (row.person, row.about) == (None, f"visit:{visit.public_id}")
    assert row.ends_at == ClaimCode.objects.get().expires_at


@pytest.mark.few_cases
@pytest.mark.parametrize(
    "why", ["quiet", "paper", "kept", "childs", "unfinished", "forgotten", "no code", "other code"]
)
def test_browser_cannot_subscribe_to_a_visit_that_it_may_not_open_by_code(branch, staff, why):
    changes = {
        "kept": {"patron": UserFactory()},
        "unfinished": {"status": HelpSession.Status.UNFINISHED},
        "forgotten": {"forgotten_on": timezone.now().date(), "question": "", "summary": "", "staff": None},
        "paper": {"with_child": "paper"},
    }.get(why, {})
    make = QuietSessionFactory if why == "quiet" else HelpSessionFactory
    if why == "childs":
        visit = SharedSessionFactory(branch=branch, patron=ChildFactory())
    else:
        visit = make(branch=branch, **changes)
    codes = [opened(visit, staff)]
    if why == "no code":
        codes = []
    elif why == "other code":
        codes = [opened(HelpSessionFactory(branch=branch), staff)]
    with pytest.raises(NotOffered):
        subscribed(visit, *codes)
    assert not PushSubscription.objects.exists()


@pytest.mark.parametrize("how", ["expired", "revoked"])
def test_browser_cannot_subscribe_with_a_code_that_no_longer_works(branch, staff, how):
    visit = HelpSessionFactory(branch=branch)
    code = opened(visit, staff)
    if how == "expired":
        earlier = timezone.now() - timedelta(days=31)
        ClaimCode.objects.update(made_at=earlier, expires_at=timezone.now())
    else:
        handover.revoke_codes(visit, by=staff, at=timezone.now())
    with pytest.raises(NotOffered):
        subscribed(visit, code)


def test_browser_cannot_subscribe_to_a_deleted_visit(branch, staff):
    visit = HelpSessionFactory(branch=branch)
    code = opened(visit, staff)
    HelpSession.objects.filter(pk=visit.pk).delete()
    with pytest.raises(NotOffered):
        subscribed(visit, code)


def keep(visit, staff, at):
    keeping.keep(visit, by=UserFactory(), at=at, wording="Keep it.", language="en")


def keep_as_the_adult(visit, staff, at):
    HelpSession.objects.filter(pk=visit.pk).update(with_child="shared")
    keeping.keep(visit, by=UserFactory(), at=at, wording="Keep it.", language="en")


def make_quiet(visit, staff, at):
    change(visit, by=staff, quiet=True)


def only_on_paper(visit, staff, at):
    change(visit, by=staff, with_child="paper")


def forget(visit, staff, at):
    forgetting.forget([visit], on=at.date(), zone=timezone.get_default_timezone())


def revoke(visit, staff, at):
    handover.revoke_codes(visit, by=staff, at=at)


def delete(visit, staff, at):
    deleting.delete_session(visit, by=staff, at=at)


def undo_recording(visit, staff, at):
    HelpSession.objects.filter(pk=visit.pk).update(staff=staff)
    assert actions.undo_record(visit, by=staff, at=at)


def take_from_a_wrong_patron(visit, staff, at):
    patron = UserFactory()
    HelpSession.objects.filter(pk=visit.pk).update(patron=patron)
    remove_wrong_patron(visit, patron, by=staff, at=at)


def take_from_the_adult(visit, staff, at):
    adult = UserFactory()
    HelpSession.objects.filter(pk=visit.pk).update(with_child="shared", shared_with=adult, shared_at=at)
    sharing.take_out(visit, adult, by=staff, at=at)


def take_from_the_child(visit, staff, at):
    child = ChildFactory()
    HelpSession.objects.filter(pk=visit.pk).update(with_child="shared", patron=child)
    sharing.take_out(visit, child, by=staff, at=at)


@pytest.mark.few_cases
@pytest.mark.parametrize(
    "end",
    [
        keep,
        keep_as_the_adult,
        make_quiet,
        only_on_paper,
        forget,
        revoke,
        delete,
        undo_recording,
        take_from_a_wrong_patron,
        take_from_the_adult,
        take_from_the_child,
    ],
)
def test_subscription_ends_when_the_browser_may_no_longer_open_the_visit_by_code(branch, staff, end):
    visit, other = HelpSessionFactory(branch=branch), HelpSessionFactory(branch=branch)
    later = timezone.now() + timedelta(days=9)
    for about in (push.about(visit), push.about(other)):
        PushSubscriptionFactory(about=about, ends_at=later)
    of_person = PushSubscriptionFactory()
    end(visit, staff, timezone.now())
    left = set(PushSubscription.objects.values_list("about", "person"))
    assert left == {(push.about(other), None), ("", of_person.person_id)}
