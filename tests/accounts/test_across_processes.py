"""Check limits and one-time codes when several processes use them at the same time."""

import contextlib
import datetime
import multiprocessing
import time
from functools import partial

import pytest
from allauth.core import context
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, generate_totp_secret, hotp_value
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.backends.db import SessionStore
from django.core.cache import cache
from django.core.management import call_command
from django.db import connection
from django.test import RequestFactory
from django.utils import timezone

from accounts.forms.second_factor import SecondFactorForm
from accounts.forms.sign_in import CodeForm
from accounts.ils.base import Patron
from accounts.models import Absence, DeskPin, Invitation, SharedDesk, StaffRole, User
from accounts.patron.people import person_with_address
from accounts.sign_in import desk_pins, library_cards, openid_connect, single_sign_on
from accounts.sign_in.library_cards import person_with_card
from accounts.staff import absences, invitations, roles, shared_desks
from portal import limits
from portal.helpsessions import tallies
from portal.limit_table import LIMITS, Limit
from tests.extent import times
from tests.factories import BranchFactory, LibraryFactory, StaffFactory, UserFactory
from tests.processes import rounds, run_simultaneously

ROUNDS, PROCESSES = times(4, 50), 8
# The number of rounds in a test that starts new processes for each round.
PROCESS_ROUNDS = times(4, 50)

pytestmark = [
    pytest.mark.long,
    pytest.mark.django_db(transaction=True),
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
    pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite hides races; PostgreSQL does not"),
]


@pytest.fixture(autouse=True)
def _empty_cache(transactional_db):
    call_command("createcachetable")
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def rosa(transactional_db):
    return StaffFactory(branch=LibraryFactory().default_branch)


def request(user=None):
    request = RequestFactory().post("/")
    request.user, request.session = user or AnonymousUser(), SessionStore()
    return request


def show(data):
    """Enter a code in the second factor form, and return whether it was accepted. `data` is (user, code)."""
    user, code = data
    with context.request_context(request(user)):
        return SecondFactorForm({"code": code}, user=user).is_valid()


@pytest.mark.core
def test_authenticator_app_code_works_only_once_across_processes(rosa, settings):
    settings.ACCOUNT_RATE_LIMITS = {"login_failed": "100/m/key"}

    def code_of_new_app(_number):
        secret, user = generate_totp_secret(), StaffFactory(branch=rosa.roles[0].branch)
        TOTP.activate(user, secret)
        return user, format_hotp_value(hotp_value(secret, int(time.time()) // 30))

    def check(_data, outcomes):
        assert sorted(outcomes) == [False] * (PROCESSES - 1) + [True]

    rounds([show] * PROCESSES, ROUNDS, before=code_of_new_app, after=check)


def test_recovery_code_works_only_once_across_processes(rosa, settings):
    settings.ACCOUNT_RATE_LIMITS = {"login_failed": "100/m/key"}

    def new_recovery_code(_number):
        user = StaffFactory(branch=rosa.roles[0].branch)
        TOTP.activate(user, generate_totp_secret())
        return user, RecoveryCodes.activate(user).get_unused_codes()[0]

    def check(data, outcomes):
        assert sorted(outcomes) == [False] * (PROCESSES - 1) + [True]
        left = Authenticator.objects.get(user=data[0], type="recovery_codes").wrap().get_unused_codes()
        assert len(left) == 9

    rounds([show] * PROCESSES, ROUNDS, before=new_recovery_code, after=check)


@pytest.mark.core
def test_attempts_to_enter_an_emailed_code_are_counted_across_processes():
    class Process:
        code, state = "123456", {"email": "sam@example.org", "at": 1}

    def guess():
        with context.request_context(request()):
            form = CodeForm({"code": "000000"}, request=request(), process=Process)
            return "Check it, or get a new one" in str(form.errors)

    tried = [outcome for _round in range(2) for outcome in run_simultaneously(*[guess] * PROCESSES)]
    assert tried.count(True) == 5


def test_wrong_visit_codes_are_counted_across_processes():
    def guess():
        asked, allowed = request(), 0
        with contextlib.suppress(limits.TooOften):
            for _number in range(5):
                limits.CodeTry(asked, is_known=False)
                allowed += 1
        return allowed

    # The eight processes try 40 codes, but the limit is 30.
    assert sum(run_simultaneously(*[guess] * PROCESSES)) == 30


def test_new_questions_are_counted_across_processes(rosa):
    def ask():
        asked = 0
        with contextlib.suppress(limits.TooOften):
            for _number in range(3):
                limits.count_written(request(rosa), "question")
                asked += 1
        return asked

    # The eight processes try to ask 24 questions, but the limit is 20.
    assert sum(run_simultaneously(*[ask] * PROCESSES)) == 20


@pytest.mark.core
def test_simultaneous_sign_ins_with_one_address_create_one_person(rosa):
    def check(number, people):
        assert len(set(people)) == 1
        assert User.objects.filter(email=f"new{number}@example.org").count() == 1

    def sign_in(number):
        return person_with_address(f"new{number}@example.org", at=timezone.now()).pk

    rounds([sign_in] * PROCESSES, ROUNDS, after=check)


def test_simultaneous_sign_ins_with_one_card_create_one_person(rosa):
    def new_card(number):
        return Patron(ils_id=f"ils-{number}", barcode="20001001", name="Sam", email="sam@example.org")

    def sign_in(patron):
        return person_with_card(patron, at=timezone.now(), language="en").pk

    def check(patron, people):
        assert len(set(people)) == 1
        assert User.objects.filter(library_cards__ils_id=patron.ils_id).count() == 1

    rounds([sign_in] * PROCESSES, ROUNDS, before=new_card, after=check)
    # Only Rosa has no card. So no sign-in has created a person without saving the card.
    assert User.objects.filter(library_cards=None).count() == 1


def identity(subject, number):
    """Return the Identity of a person. Two identities with the same `number` share an email address."""
    email = f"ana{number}@college.example"
    return openid_connect.Identity(subject, "Ana", email, email_is_proven=True, shown_at=0)


def test_simultaneous_single_sign_ons_of_one_person_create_one_record(rosa):
    def sign_in(who):
        return single_sign_on.new_person(who, at=timezone.now(), language="en").pk

    def check(who, people):
        assert len(set(people)) == 1
        assert User.objects.filter(email=who.email).count() == 1

    rounds([sign_in] * PROCESSES, ROUNDS, before=lambda number: identity(str(number), number), after=check)
    assert User.objects.count() == ROUNDS + 1


def test_simultaneous_single_sign_ons_cannot_give_two_people_the_same_email_address(rosa):
    def sign_in(subject):
        return lambda number: (
            single_sign_on.new_person(
                identity(f"{number}-{subject}", number), at=timezone.now(), language="en"
            ).email
        )

    def check(number, outcomes):
        assert sorted(outcomes) == ["AddressTaken", identity("", number).email]

    rounds([sign_in("one"), sign_in("other")], ROUNDS, after=check, refusals={"AddressTaken"})
    assert User.objects.count() == ROUNDS + 1


def test_attempts_to_sign_in_with_a_library_card_are_counted_across_processes(rosa):
    tried = [
        outcome
        for _round in range(2)
        for outcome in run_simultaneously(
            *[lambda: library_cards.count_attempt(request(), "20001001")] * PROCESSES
        )
    ]
    assert (tried.count(None), tried.count("TooOften")) == (5, 11)


@pytest.mark.parametrize("by", ["person", "network", "target"])
def test_attempts_are_counted_across_processes_for_every_kind_of_limit(by, rosa, monkeypatch):
    """Count the attempts of all processes together. Refused and undone attempts don't count."""
    monkeypatch.setitem(LIMITS, "thing", Limit("a thing", **{by: "9/h"}))

    def do(number):
        counted = limits.count(request(rosa), "thing", target="x")
        if number % 2:
            counted.undo()
        return "undone" if number % 2 else "done"

    outcomes = []
    # An attempt counts until it is undone. Such attempts can use up the limit in a single round, so run
    # several rounds.
    for _round in range(20):
        outcomes += run_simultaneously(*[partial(do, number) for number in range(PROCESSES)])
    assert outcomes.count("done") == 9
    assert set(outcomes) == {"done", "undone", "TooOften"}


@pytest.fixture
def pin_checks(monkeypatch):
    """Make every check of a PIN fail, and return a counter of the checks in all processes."""
    count = multiprocessing.get_context("fork").Value("i", 0)

    def compare(person, pin):
        with count.get_lock():
            count.value += 1
        return False

    monkeypatch.setattr(desk_pins, "_is_right", compare)
    return count


def with_pin(person):
    DeskPin.objects.create(person=person, pin_hash="not compared", set_on=timezone.localdate())
    return person


def guess(desk, person):
    return lambda: desk_pins.try_pin(desk, person, "1357", at=timezone.now())


def test_wrong_desk_pins_of_a_person_are_counted_across_processes(rosa, pin_checks):
    branch, by_computer = with_pin(rosa).roles[0].branch, []
    for number in range(4):
        desk, _token = shared_desks.unlock(branch=branch, name=f"Desk {number}", by=rosa, at=timezone.now())
        before = pin_checks.value
        outcomes = [
            outcome for _round in range(2) for outcome in run_simultaneously(*[guess(desk, rosa)] * PROCESSES)
        ]
        by_computer.append(pin_checks.value - before)
        assert set(outcomes[PROCESSES:]) == {"PinBlocked"}
    assert by_computer == [desk_pins.MAX_WRONG_PER_PERSON] * 3 + [0]
    assert sum(by_computer) == desk_pins.MAX_WRONG_IN_TOTAL


def test_wrong_desk_pins_on_a_computer_are_counted_across_processes(rosa, pin_checks):
    branch = rosa.roles[0].branch
    people = [with_pin(StaffFactory(branch=branch)) for _number in range(PROCESSES)]
    desk, _token = shared_desks.unlock(branch=branch, name="Front desk", by=rosa, at=timezone.now())
    outcomes = [
        outcome
        for _round in range(4)
        for outcome in run_simultaneously(*[guess(desk, person) for person in people])
    ]
    assert pin_checks.value == desk_pins.MAX_WRONG_PER_COMPUTER
    assert set(outcomes[-PROCESSES:]) == {"DeskClosed"}
    assert not SharedDesk.objects.unlocked(timezone.now()).exists()


@pytest.mark.parametrize(
    ("ended_by", "refusal"), [("themselves", "LastCoordinator"), ("each other", "RoleEnded")]
)
def test_branch_still_has_a_coordinator_if_two_coordinators_leave_at_the_same_time(ended_by, refusal, rosa):
    for _round in range(PROCESS_ROUNDS):
        StaffRole.objects.all().delete()
        branch = BranchFactory()
        one, other = (StaffFactory(branch=branch, branch__role="coordinator") for _number in range(2))
        pairs = [(one, one), (other, other)] if ended_by == "themselves" else [(one, other), (other, one)]
        # Read the roles before the actions, as the access check of a request does.
        assert one.roles
        assert other.roles
        outcomes = run_simultaneously(
            *[partial(roles.end_role, gone, branch=branch, by=by, at=timezone.now()) for gone, by in pairs]
        )
        assert set(map(str, outcomes)) == {refusal, "None"}
        assert StaffRole.objects.filter(role="coordinator").count() == 1


def test_simultaneous_requests_accept_an_invitation_at_most_once(rosa):
    """Accept on three devices while a coordinator withdraws the invitation or ends the sender's role."""
    branch = BranchFactory()
    sender, other = (StaffFactory(branch=branch, branch__role="coordinator") for _number in range(2))
    noor = UserFactory(email="noor@example.org")
    for number in range(PROCESS_ROUNDS):
        StaffRole.objects.filter(user=noor).delete()
        StaffRole.objects.get_or_create(user=sender, branch=branch, role="coordinator")
        sender = User.objects.get(pk=sender.pk)
        at = timezone.now()
        link = invitations.invite(
            name="Noor", email=noor.email, language="en", at_branches={branch: "staff"}, by=sender, at=at
        )
        accepts = partial(invitations.accept, link.split("/")[-2], person=noor, at=at)
        takes_back = partial(invitations.withdraw, Invitation.objects.get(), by=other, at=at)
        leaves = partial(roles.end_role, sender, branch=branch, by=other, at=at)
        outcomes = run_simultaneously(accepts, accepts, accepts, leaves if number % 2 else takes_back)
        assert set(outcomes) <= {None, "UnknownInvitation"}
        assert outcomes[3] is None
        assert StaffRole.objects.filter(user=noor).count() == outcomes[:3].count(None) <= 1
        assert not Invitation.objects.exists()


def count_contacts(staff, branch):
    for _number in range(20):
        tallies.tally(by=staff, at=timezone.now(), branch=branch)


def test_accepting_an_invitation_does_not_deadlock_with_actions_of_the_sender(rosa):
    """Give the sender two roles, because each action of the sender locks both roles."""
    desk, coordinated = BranchFactory(), BranchFactory()
    sender = StaffFactory(branch=desk)
    StaffRole.objects.create(user=sender, branch=coordinated, role="coordinator")
    noor = UserFactory(email="noor@example.org")
    for _round in range(PROCESS_ROUNDS):
        StaffRole.objects.filter(user=noor).delete()
        at = timezone.now()
        link = invitations.invite(
            name="Noor", email=noor.email, language="en", at_branches={coordinated: "staff"}, by=sender, at=at
        )
        accepts = partial(invitations.accept, link.split("/")[-2], person=noor, at=at)
        assert run_simultaneously(accepts, *[partial(count_contacts, sender, desk)] * 4) == [None] * 5


def be_away(person, number):
    day = datetime.date(2026, 3, 1) + datetime.timedelta(days=number)
    return absences.add_absence(
        person=person,
        first_day=day,
        last_day=day + datetime.timedelta(days=PROCESSES),
        cover=None,
        by=person,
        at=timezone.now(),
    ).first_day


def test_only_one_of_several_overlapping_absences_is_saved(rosa):
    def check(_number, outcomes):
        assert outcomes.count("Overlaps") == PROCESSES - 1
        assert Absence.objects.get().first_day in outcomes
        Absence.objects.all().delete()

    works = [lambda _data, number=number: be_away(rosa, number) for number in range(PROCESSES)]
    rounds(works, ROUNDS, after=check, refusals={"Overlaps"})
