"""Check shared desk computers.

Staff unlock a computer for a day, and then sign in on it by PIN. Locking a computer signs one person out.
Closing a computer ends the use of PINs on it.
"""

import datetime
import re
import time
import uuid
from html import unescape

import pytest
import time_machine
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEvent, DeskPin, RefusedPost, SharedDesk, User
from accounts.sign_in import desk_pins, passkeys
from accounts.sign_in.access import record_second_factor
from accounts.staff import roles, shared_desks
from accounts.staff.desk_lock import DESK_TOKEN
from portal.conversations.models import Conversation, Draft
from portal.conversations.viewer import OPENED_CODES
from portal.helpsessions.models import HelpSession
from tests.accounts.test_second_factor import sign_in_by_code
from tests.architecture.routes import routes
from tests.factories import (
    BranchFactory,
    ConversationFactory,
    HelpSessionFactory,
    MessageFactory,
    PasskeyFactory,
    ServicePointFactory,
    StaffFactory,
    code_for,
)
from tests.portal.pages import text

pytestmark = pytest.mark.django_db
OURS = {"sec-fetch-site": "same-origin"}
ROSA, DANIEL = "83619", "4071"
# Nine in the morning at the library.
NINE = datetime.datetime(2026, 11, 25, 15, tzinfo=datetime.UTC)


@pytest.fixture(autouse=True)
def clock():
    with time_machine.travel(NINE, tick=False) as clock:
        yield clock


@pytest.fixture
def rosa(staff):
    desk_pins.set_pin(staff, pin=ROSA, at=timezone.now())
    return staff


@pytest.fixture
def daniel(branch):
    daniel = StaffFactory(name="Daniel Osei", email="daniel@example.org", branch=branch)
    desk_pins.set_pin(daniel, pin=DANIEL, at=timezone.now())
    return daniel


@pytest.fixture
def computer(client, rosa, sign_in, branch):
    """Return the browser of a shared desk computer. Rosa has unlocked the computer and is signed in."""
    sign_in(client, rosa)
    client.post(reverse("desk_computers"), {"branch": branch.pk, "name": "Front desk"})
    return client


def open_by_pin(browser, person, pin, **fields):
    return browser.post(reverse("locked"), {"who": person.public_id, "pin": pin, **fields})


def at_desk(browser):
    return browser.get(reverse("desk")).status_code == 200


def who_is_there(browser):
    """Return the name of the staff member that the desk page shows."""
    page = browser.get(reverse("desk")).content.decode()
    return re.search(r'id="whose-turn">.*?<span class="clip" dir="auto">(.*?)</span>', page, re.DOTALL)[1]


# Tests of unlocking a computer for a day.


def test_desk_computer_is_unlocked_until_midnight_in_the_librarys_time_zone(computer, rosa, branch):
    desk = SharedDesk.objects.get()
    assert (desk.name, desk.branch, desk.unlocked_by) == ("Front desk", branch, rosa)
    # Midnight in Chicago.
    assert desk.until == datetime.datetime(2026, 11, 26, 6, tzinfo=datetime.UTC)
    assert AuditEvent.objects.get(action="unlocked_shared_desk").by == rosa


def test_desk_computer_is_unlocked_for_at_most_sixteen_hours(rosa, branch, clock):
    # Five in the morning at the library.
    clock.move_to(NINE.replace(hour=11))
    desk, _token = shared_desks.unlock(branch=branch, name="Front desk", by=rosa, at=timezone.now())
    assert desk.until - desk.unlocked_at == datetime.timedelta(hours=16)


def test_unlock_page_says_until_when_the_desk_computer_is_unlocked(computer):
    assert "Unlocked until midnight." in text(computer.get(reverse("desk_computers")))
    SharedDesk.objects.update(until=NINE + datetime.timedelta(hours=4))
    assert "Unlocked until: today 1:00" in text(computer.get(reverse("desk_computers")))


def test_desk_computer_token_is_not_stored_in_the_database(computer):
    cookie = computer.cookies[DESK_TOKEN]
    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "Lax", "/")
    assert cookie.value not in str(SharedDesk.objects.values_list()[0])


def test_unlocking_a_desk_computer_requires_the_second_factor(client, rosa, sign_in, branch):
    sign_in(client, rosa, second_factor=False)
    response = client.post(reverse("desk_computers"), {"branch": branch.pk, "name": "Front desk"})
    assert response["Location"].startswith("/second-factor/")
    assert not SharedDesk.objects.exists()


def test_staff_signed_in_by_pin_cannot_unlock_another_desk_computer(computer, daniel, branch):
    computer.post(reverse("lock"))
    open_by_pin(computer, daniel, DANIEL)
    assert computer.post(reverse("desk_computers"), {"branch": branch.pk, "name": "At home"})[
        "Location"
    ].startswith("/second-factor/")
    assert SharedDesk.objects.get().name == "Front desk"


def test_staff_can_unlock_a_desk_computer_only_at_their_branch(client, rosa, sign_in):
    page = sign_in(client, rosa).post(
        reverse("desk_computers"), {"branch": BranchFactory().pk, "name": "Front desk"}
    )
    assert 'id="id_branch_error"' in page.content.decode() or "error-summary" in page.content.decode()
    assert not SharedDesk.objects.exists()


def test_unlocking_a_desk_computer_again_under_a_new_name_renames_the_computer(computer, rosa, branch):
    computer.post(reverse("desk_computers"), {"branch": branch.pk, "name": "Back room"})
    assert [desk.name for desk in SharedDesk.objects.unlocked(timezone.now())] == ["Back room"]
    assert at_desk(computer)


def test_desk_computer_signs_staff_out_and_refuses_pins_after_midnight(computer, rosa, clock):
    clock.move_to(NINE.replace(day=26, hour=5, minute=59))
    computer.post(reverse("lock"))
    assert open_by_pin(computer, rosa, ROSA).status_code == 302
    clock.shift(60)
    assert not at_desk(computer)
    assert computer.get(reverse("locked"))["Location"] == "/sign-in/?next=%2Fdesk%2F"
    shared_desks.forget_shared_desks(at=timezone.now())
    assert not SharedDesk.objects.exists()


def test_sign_in_of_the_person_who_unlocked_a_desk_computer_ends_at_midnight(computer, clock):
    for _hour in range(15):
        clock.shift(3600)
        Client.get(computer, reverse("logo"))
    assert not at_desk(computer)


def test_coordinator_can_close_a_desk_computer_remotely(computer, rosa, daniel, coordinator, sign_in):
    desk = SharedDesk.objects.get()
    for stranger in (daniel, StaffFactory(branch__role="coordinator")):
        browser = sign_in(Client(), stranger)
        assert browser.post(reverse("close_desk_computer", args=[desk.public_id])).status_code == 404
        assert "Front desk" not in browser.get(reverse("desk_computers")).content.decode()
    assert at_desk(computer)
    far = sign_in(Client(), coordinator)
    assert "Front desk" in far.get(reverse("desk_computers")).content.decode()
    far.post(reverse("close_desk_computer", args=[desk.public_id]))
    assert not at_desk(computer)
    assert open_by_pin(computer, rosa, ROSA)["Location"] == "/sign-in/?next=%2Fdesk%2F"
    assert AuditEvent.objects.get(action="closed_shared_desk").by == coordinator


def test_any_coordinator_can_close_a_desk_computer_at_a_branch_without_a_coordinator(
    computer, daniel, sign_in
):
    for person, status in ((daniel, 404), (StaffFactory(branch__role="coordinator"), 302)):
        answer = sign_in(Client(), person).post(
            reverse("close_desk_computer", args=[SharedDesk.objects.get().public_id])
        )
        assert answer.status_code == status


def test_staff_member_can_close_the_desk_computer_that_they_use(computer, daniel):
    computer.post(reverse("lock"))
    open_by_pin(computer, daniel, DANIEL)
    computer.post(reverse("close_desk_computer", args=[SharedDesk.objects.get().public_id]))
    assert SharedDesk.objects.get().closed_at
    assert not at_desk(computer)


def test_desk_computer_is_closed_when_the_person_who_unlocked_it_loses_their_role(
    computer, rosa, daniel, coordinator, branch
):
    computer.post(reverse("lock"))
    roles.end_role(rosa, branch=branch, by=coordinator, at=timezone.now())
    assert open_by_pin(computer, daniel, DANIEL)["Location"] == "/sign-in/?next=%2Fdesk%2F"


@pytest.mark.parametrize("rows", [1, 30])
def test_desk_computer_list_runs_the_same_number_of_queries_for_any_number_of_computers(
    client, coordinator, sign_in, branch, rows, django_assert_num_queries
):
    for number in range(rows):
        shared_desks.unlock(
            branch=branch, name=f"Desk {number}", by=StaffFactory(branch=branch), at=timezone.now()
        )
    sign_in(client, coordinator)
    client.get(reverse("desk_computers"))
    with django_assert_num_queries(8):
        page = client.get(reverse("desk_computers")).content.decode()
    assert page.count('id="close-') == rows


# Tests of setting a PIN.


@pytest.mark.few_cases
@pytest.mark.parametrize(
    "pin",
    [
        "0000",
        "1111",
        "1122",
        "1212",
        "1234",
        "4321",
        "8901",
        "0987",
        "123123",
        "654321",
        "2580",
        "1987",
        "2024",
        "123",
        "1234567",
        "",
        "abcd",
    ],
)
def test_easily_guessed_pin_is_refused(client, staff, sign_in, pin):
    page = sign_in(client, staff).post(reverse("desk_pin"), {"pin": pin, "pin_again": pin})
    assert page.status_code == 200
    assert "error-summary" in page.content.decode()
    assert not DeskPin.objects.exists()


@pytest.mark.parametrize("pin", ["4071", "83619", "590274", "40 71", "٤٠٧١"])
def test_new_pin_is_neither_shown_nor_stored_in_plain_text(client, staff, sign_in, pin):
    page = (
        sign_in(client, staff)
        .post(reverse("desk_pin"), {"pin": pin, "pin_again": pin}, follow=True)
        .content.decode()
    )
    assert pin not in page
    assert "4071" not in DeskPin.objects.get(person=staff).pin_hash


def test_pin_hash_cannot_be_checked_without_the_secret_key(rosa, settings):
    """A thief who has the hash but not SECRET_KEY can't find the PIN by trying all PINs."""
    assert desk_pins._is_right(rosa, ROSA)
    key, settings.SECRET_KEY = settings.SECRET_KEY, "another key"
    assert not desk_pins._is_right(rosa, ROSA)
    settings.SECRET_KEY_FALLBACKS = [key]
    assert desk_pins._is_right(rosa, ROSA)
    # The check with the old key as a fallback has hashed the PIN again with the new key.
    settings.SECRET_KEY_FALLBACKS = []
    assert desk_pins._is_right(User.objects.get(pk=rosa.pk), ROSA)


def test_two_people_with_the_same_pin_have_different_hashes(rosa, daniel):
    desk_pins.set_pin(daniel, pin=ROSA, at=timezone.now())
    assert not desk_pins._is_right(User(pk=daniel.pk, desk_pin=rosa.desk_pin), ROSA)


def test_new_pin_is_refused_if_the_repeated_pin_differs(client, staff, sign_in):
    sign_in(client, staff).post(reverse("desk_pin"), {"pin": "4071", "pin_again": "4072"})
    assert not DeskPin.objects.exists()


def test_changing_or_removing_a_pin_requires_the_second_factor(computer, daniel):
    computer.post(reverse("lock"))
    open_by_pin(computer, daniel, DANIEL)
    before = DeskPin.objects.get(person=daniel).pin_hash
    response = computer.post(reverse("desk_pin"), {"pin": "590274", "pin_again": "590274"})
    assert response["Location"] == "/second-factor/?next=%2Fdesk%2Fpin%2F"
    assert (
        computer.post(reverse("desk_pin"), {"remove": "1"})["Location"]
        == "/second-factor/?next=%2Fdesk%2Fpin%2F"
    )
    assert DeskPin.objects.get(person=daniel).pin_hash == before


def test_new_pin_ends_desk_sessions_opened_with_the_old_pin(computer, daniel, sign_in):
    computer.post(reverse("lock"))
    open_by_pin(computer, daniel, DANIEL)
    phone = sign_in(Client(), daniel)
    phone.post(reverse("desk_pin"), {"pin": "590274", "pin_again": "590274"})
    assert not at_desk(computer)
    assert at_desk(phone)
    assert open_by_pin(computer, daniel, DANIEL).status_code == 200
    assert open_by_pin(computer, daniel, "590274").status_code == 302


def test_removed_pin_does_not_open_a_desk_computer(computer, daniel, sign_in):
    sign_in(Client(), daniel).post(reverse("desk_pin"), {"remove": "1"})
    computer.post(reverse("lock"))
    assert str(daniel.public_id) not in computer.get(reverse("locked")).content.decode()
    open_by_pin(computer, daniel, DANIEL)
    assert not at_desk(computer)


def test_removing_the_last_passkey_also_deletes_the_desk_pin(client, rosa, sign_in):
    both = [PasskeyFactory(person=rosa), PasskeyFactory(person=rosa)]
    for passkey, left in zip(both, (True, False), strict=True):
        passkeys.remove(passkey, by=rosa, at=timezone.now())
        assert DeskPin.objects.filter(person=rosa).exists() is left


def test_losing_the_second_factor_or_the_last_role_deletes_the_desk_pin(rosa, daniel, coordinator, branch):
    roles.forget_second_factor(rosa, by=coordinator, at=timezone.now())
    roles.end_role(daniel, branch=branch, by=coordinator, at=timezone.now())
    assert not DeskPin.objects.exists()


# Tests of the pages that staff can open after they enter a PIN.


def test_desk_shows_the_name_of_the_staff_member_who_entered_a_pin(computer, rosa, daniel):
    assert who_is_there(computer) == "Rosa Lindqvist"
    key = computer.session.session_key
    assert (
        computer.post(reverse("lock"), {"next": "/desk/cards/"})["Location"]
        == f"/locked/?next=%2Fdesk%2Fcards%2F&whose={rosa.public_id}"
    )
    assert not at_desk(computer)
    open_by_pin(computer, daniel, DANIEL)
    assert who_is_there(computer) == "Daniel Osei"
    assert computer.session.session_key != key
    # Rosa's session no longer exists, so a copy of her cookie doesn't work either.
    assert not Client().session.exists(key)


def test_lock_page_lists_staff_of_the_branch_who_have_a_pin(computer, rosa, daniel, branch):
    other_rosa = StaffFactory(name="Rosa Parks-Hill", branch=branch)
    elsewhere = StaffFactory(name="Far Unavailable")
    for person in (other_rosa, elsewhere):
        desk_pins.set_pin(person, pin="590274", at=timezone.now())
    without = StaffFactory(name="Noah Pinless", branch=branch)
    computer.post(reverse("lock"))
    page = computer.get(reverse("locked")).content.decode()
    assert re.findall(r'id="who-[^>]*><span dir="auto">(.*?)</span>', page) == [
        "Daniel",
        "Rosa Lindqvist",
        "Rosa Parks-Hill",
    ]
    for nobody in (elsewhere, without):
        assert str(nobody.public_id) not in page
        open_by_pin(computer, nobody, "590274")
        assert not at_desk(computer)


def test_pin_works_only_on_an_unlocked_desk_computer(computer, daniel, client):
    computer.post(reverse("lock"))
    elsewhere = Client()
    assert open_by_pin(elsewhere, daniel, DANIEL)["Location"] == "/sign-in/?next=%2Fdesk%2F"
    elsewhere.cookies[DESK_TOKEN] = "a-token-that-somebody-made-up"
    assert open_by_pin(elsewhere, daniel, DANIEL)["Location"] == "/sign-in/?next=%2Fdesk%2F"


def test_session_opened_by_pin_ends_when_used_in_another_browser(computer, daniel):
    computer.post(reverse("lock"))
    open_by_pin(computer, daniel, DANIEL)
    thief = Client()
    thief.cookies["sessionid"] = computer.cookies["sessionid"].value
    assert not at_desk(thief)
    # The copied session ends in both browsers.
    assert not at_desk(computer)


def address(route):
    """Return a URL of the route, with invented ids. No object is looked up, because access is refused first."""
    return reverse(
        route.name, args=[uuid.uuid4() if name.endswith("_id") else "abc" for name in route.converters]
    )


# A PIN isn't enough to open the page `desk_pin`, although the page is for all staff.
BEHIND_SECOND_FACTOR = {"desk_pin"}
OUTSIDE_THE_DESK = {
    "kept",
    "discard_kept",
    "second_factor",
    "change_second_factor",
    "passkey_options",
    "lock",
    "locked",
    "sign_out",
}
OUTSIDE_THE_DESK |= {"set_language", "logo", "app_icon", "manifest", "service_worker", "offline"}


def test_session_opened_by_pin_ends_when_used_on_another_desk_computer(computer, rosa, daniel, branch):
    computer.post(reverse("lock"))
    open_by_pin(computer, daniel, DANIEL)
    _desk, token = shared_desks.unlock(branch=branch, name="Back room", by=rosa, at=timezone.now())
    computer.cookies[DESK_TOKEN] = token
    assert not at_desk(computer)


@pytest.mark.few_cases
@pytest.mark.slow
@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize(("script_name", "django_uses_it"), [("", False), ("/desk", False), ("/desk", True)])
def test_pin_opens_desk_pages_but_no_account_or_coordinator_pages(
    computer, coordinator, method, script_name, django_uses_it, settings
):
    """Even a coordinator who signed in by PIN may not open library-wide settings or account pages.

    A SCRIPT_NAME from the web server must not make another page look like a desk page. Two things prevent
    this: the setting FORCE_SCRIPT_NAME, and the middleware, which compares request.path_info. Each of them
    must be enough without the other.
    """
    desk_pins.set_pin(coordinator, pin=DANIEL, at=timezone.now())
    computer.post(reverse("lock"))
    open_by_pin(computer, coordinator, DANIEL)
    if django_uses_it:
        settings.FORCE_SCRIPT_NAME = None
    computer.defaults["SCRIPT_NAME"] = script_name
    asked = set()
    for route in routes():
        if route.name in OUTSIDE_THE_DESK or (
            route.at_desk and route.name in {"close_desk_computer", "desk_computers"}
        ):
            continue
        response = getattr(computer, method)(address(route))
        if response.status_code == 302 and response["Location"].startswith(reverse("second_factor")):
            asked.add(route.name)
    whole_library = {
        route.name for route in routes() if getattr(route.view, "guard", "") == "coordinator_only"
    }
    own = {route.name for route in routes() if not route.at_desk} - OUTSIDE_THE_DESK
    assert asked == own | whole_library | BEHIND_SECOND_FACTOR


def test_staff_signed_in_by_pin_cannot_change_or_set_up_a_second_factor(computer, daniel):
    computer.post(reverse("lock"))
    open_by_pin(computer, daniel, DANIEL)
    assert (
        computer.get(reverse("change_second_factor"))["Location"]
        == "/second-factor/?next=%2Fsecond-factor%2Fchange%2F"
    )
    assert computer.post(reverse("add_passkey_options"))["Location"].startswith("/second-factor/")
    # Daniel has no second factor, and a sign-in by PIN is not enough to set one up.
    response = computer.get(reverse("second_factor"))
    assert response["Location"] == "/sign-in/?next=%2Fsecond-factor%2F"
    assert not at_desk(computer)


def test_second_factor_used_on_a_desk_computer_ends_when_the_computer_locks(computer, coordinator, sign_in):
    desk_pins.set_pin(coordinator, pin=DANIEL, at=timezone.now())
    computer.post(reverse("lock"))
    open_by_pin(computer, coordinator, DANIEL)
    session = computer.session
    session["second_factor_at"] = timezone.now().isoformat()
    session.pop("by_pin")
    session.save()
    assert computer.get(reverse("settings")).status_code == 200
    computer.post(reverse("lock"))
    open_by_pin(computer, coordinator, DANIEL)
    assert computer.get(reverse("settings")).status_code == 302


def test_notice_for_a_staff_member_is_not_shown_after_a_colleague_enters_a_pin(computer, rosa, daniel):
    computer.post(reverse("close_desk_computer", args=["00000000-0000-4000-8000-000000000000"]))
    # When Rosa sets her PIN, the next page shows the notice "PIN saved".
    computer.post(reverse("desk_pin"), {"pin": "590274", "pin_again": "590274"})
    computer.post(reverse("lock"))
    open_by_pin(computer, daniel, DANIEL)
    assert "PIN saved" not in computer.get(reverse("desk")).content.decode()


def test_entering_a_pin_closes_the_visits_that_were_open_on_the_computer(computer, daniel, show_code):
    computer.post(reverse("lock"))
    del computer.cookies["sessionid"]
    show_code(computer, code_for(HelpSessionFactory(handed_over_at=timezone.now())))
    assert computer.session[OPENED_CODES]
    open_by_pin(computer, daniel, DANIEL)
    assert OPENED_CODES not in computer.session


def test_unused_desk_computer_locks_even_if_the_person_signed_in_by_email_code(computer, daniel, clock):
    computer.post(reverse("lock"))
    sign_in_by_code(computer, daniel.email)
    assert computer.get(reverse("me")).status_code == 200
    clock.shift(7 * 60)
    assert computer.get(reverse("me"))["Location"] == f"/locked/?next=%2Fme%2F&whose={daniel.public_id}"


@pytest.mark.parametrize("how", ["role", "disabled"])
def test_desk_computer_refuses_staff_who_left_the_branch_or_were_deactivated(
    computer, daniel, coordinator, branch, how
):
    computer.post(reverse("lock"))
    open_by_pin(computer, daniel, DANIEL)
    if how == "role":
        # Daniel leaves the branch of the computer, but he is still staff at another branch.
        roles.give_role(daniel, branch=BranchFactory(), role="staff", by=coordinator, at=timezone.now())
        roles.end_role(daniel, branch=branch, by=coordinator, at=timezone.now())
    else:
        User.objects.filter(pk=daniel.pk).update(is_active=False)
    assert not at_desk(computer)
    open_by_pin(computer, daniel, DANIEL)
    assert not at_desk(computer)


# Tests of wrong PINs.


def wrong(browser, person, times):
    for _time in range(times):
        response = open_by_pin(browser, person, "590274")
    return response


def test_five_wrong_pins_block_one_staff_member_on_one_desk_computer(computer, rosa, daniel, branch, sign_in):
    computer.post(reverse("lock"))
    assert "You have 1 tries left" not in wrong(computer, daniel, 4).content.decode()
    page = wrong(computer, daniel, 1).content.decode()
    assert "Use your second factor before you try" in page
    open_by_pin(computer, daniel, DANIEL)
    assert not at_desk(computer)
    # Rosa can still sign in with her PIN on the computer where Daniel is blocked.
    assert open_by_pin(computer, rosa, ROSA).status_code == 302
    computer.post(reverse("lock"))
    other, token = shared_desks.unlock(branch=branch, name="Other desk", by=rosa, at=timezone.now())
    elsewhere = Client()
    elsewhere.cookies[DESK_TOKEN] = token
    # Daniel can still sign in with his PIN on another computer.
    assert open_by_pin(elsewhere, daniel, DANIEL).status_code == 302
    desk_pins.reset_pin_tries(daniel)
    assert open_by_pin(computer, daniel, DANIEL).status_code == 302


def test_second_factor_resets_the_count_of_wrong_pins(computer, daniel, sign_in):
    computer.post(reverse("lock"))
    wrong(computer, daniel, 5)
    phone = sign_in(Client(), daniel)
    request = phone.get(reverse("me")).wsgi_request
    record_second_factor(request, at=timezone.now())
    assert open_by_pin(computer, daniel, DANIEL).status_code == 302


@pytest.mark.slow
def test_correct_pin_shows_the_number_of_earlier_wrong_pins_and_resets_the_count(computer, daniel):
    computer.post(reverse("lock"))
    wrong(computer, daniel, 3)
    open_by_pin(computer, daniel, DANIEL)
    assert "a wrong PIN was entered under your name 3 times" in computer.get(reverse("desk")).content.decode()
    computer.post(reverse("lock"))
    wrong(computer, daniel, 4)
    assert open_by_pin(computer, daniel, DANIEL).status_code == 302


@pytest.mark.only_long
@pytest.mark.slow
def test_twenty_wrong_pins_close_the_desk_computer(computer, rosa, daniel, branch):
    computer.post(reverse("lock"))
    people = [rosa, daniel, *(StaffFactory(branch=branch) for _number in range(2))]
    for person in people[2:]:
        desk_pins.set_pin(person, pin="6037", at=timezone.now())
    for person in people[:3]:
        wrong(computer, person, 5)
    assert wrong(computer, people[3], 4).status_code == 200
    assert wrong(computer, people[3], 1)["Location"] == "/sign-in/?next=%2Fdesk%2F"
    assert SharedDesk.objects.get().closed_at
    assert "this computer is closed" in computer.get("/sign-in/").content.decode()


@pytest.mark.only_long
@pytest.mark.slow
def test_unlocking_more_computers_does_not_allow_more_guesses_at_a_colleagues_pin(
    client, rosa, daniel, branch, sign_in
):
    """Make Rosa unlock several computers and guess Daniel's PIN on each."""
    sign_in(client, rosa)
    tried = 0
    for _number in range(6):
        client.post(reverse("desk_computers"), {"branch": branch.pk, "name": "Front desk"})
        guessing = Client()
        guessing.cookies[DESK_TOKEN] = client.cookies[DESK_TOKEN].value
        for _try in range(4):
            tried += "left." in open_by_pin(guessing, daniel, "590274").content.decode()
        # A correct PIN resets the count that closes the computer.
        assert open_by_pin(guessing, rosa, ROSA).status_code == 302
    assert tried == desk_pins.MAX_WRONG_IN_TOTAL
    open_by_pin(guessing, daniel, DANIEL)
    assert who_is_there(guessing) == "Rosa Lindqvist"
    desk_pins.reset_pin_tries(daniel)
    fresh = Client()
    fresh.cookies[DESK_TOKEN] = client.cookies[DESK_TOKEN].value
    assert open_by_pin(fresh, daniel, DANIEL).status_code == 302


# Tests of locking a computer.


def test_desk_computer_is_locked_if_nobody_uses_it(computer, rosa, library, clock):
    library.desk_locks_after_minutes = 3
    library.save()
    clock.shift(3 * 60 + 89)
    assert at_desk(computer)
    clock.shift(3 * 60 + 90)
    response = computer.get("/desk/?tab=mine")
    assert response["Location"] == f"/locked/?next=%2Fdesk%2F%3Ftab%3Dmine&whose={rosa.public_id}"
    assert not at_desk(computer)


def test_desk_computer_is_locked_after_a_fast_clock_is_set_back(computer, clock):
    clock.shift(-24 * 60 * 60)
    assert not at_desk(computer)


def test_desk_computer_is_locked_even_if_background_requests_arrive(computer, rosa, branch, clock):
    conversation = MessageFactory(
        conversation=ConversationFactory(help_session=HelpSessionFactory(branch=branch, staff=rosa))
    ).conversation
    polls = [reverse("desk_queue_news"), reverse("desk_news", args=[conversation.public_id]), "/sw.js"]
    for _time in range(7):
        clock.shift(60)
        answers = [
            computer.get(
                poll, headers={"hx-request": "true", "hx-current-url": "http://testserver/desk/cards/"}
            )
            for poll in polls
        ]
    assert ["HX-Redirect" in answer for answer in answers] == [True, True, False]
    assert not at_desk(computer)


def test_desk_computer_is_not_locked_while_a_person_types_or_reads(computer, clock):
    for _time in range(20):
        clock.shift(60)
        assert computer.post(reverse("desk_used")).status_code == 204
    assert at_desk(computer)


def test_last_use_of_a_desk_computer_is_saved_at_most_once_a_minute(computer, clock):
    clock.shift(61)
    computer.get(reverse("code_cards"))
    used_at = computer.session["used_at"]
    assert used_at == time.time()
    clock.shift(59)
    computer.get(reverse("code_cards"))
    assert computer.session["used_at"] == used_at


def test_only_the_expected_views_count_as_background_requests():
    asked = {route.name for route in routes() if getattr(route.view, "background_request", False)}
    assert asked == {
        "desk_queue_news",
        "desk_waiting",
        "phone_here",
        "renew_phone",
        "desk_news",
        "desk_leave",
        # A page that was opened before an update of the portal still polls an old URL. The old URL redirects
        # to a new one, whose view decides whether the poll counts as use.
        "desk_old_address",
        "conversation_news",
        # Opening the link in a check-in email changes nothing, not even the browser's session.
        "how_it_went",
        "service_worker",
        "offline",
        "manifest",
        "app_icon",
        "kept_pages",
        "who_sends",
    }


def test_poll_on_a_locked_computer_redirects_to_the_lock_page(computer, rosa, clock):
    clock.shift(3600)
    page = {"hx-request": "true", "hx-current-url": "http://testserver/desk/conversations/7/"}
    # When the second tab polls, nobody is signed in anymore.
    for _tab in range(2):
        answer = computer.get(reverse("desk_queue_news"), headers=page)
        assert answer["HX-Redirect"] == f"/locked/?next=%2Fdesk%2Fconversations%2F7%2F&whose={rosa.public_id}"


def test_lock_page_leads_the_last_person_to_their_page_and_a_colleague_to_the_queue(computer, rosa, daniel):
    locked = computer.post(reverse("lock"), {"next": "/desk/cards/"})["Location"]
    page = computer.get(locked).content.decode()
    fields = dict(re.findall(r'<input type="hidden" name="(who|whose|next)" value="(.*?)">', page))
    # Rosa locked the computer, so the page asks for her PIN first.
    assert fields == {
        "who": str(rosa.public_id),
        "whose": str(rosa.public_id),
        "next": "/desk/cards/",
    }
    assert computer.post(locked, {**fields, "pin": ROSA})["Location"] == "/desk/cards/"
    computer.post(reverse("lock"), {"next": "/desk/cards/"})
    assert computer.post(locked, {**fields, "who": daniel.public_id, "pin": DANIEL})["Location"] == "/desk/"


def test_background_save_on_a_locked_computer_is_refused_and_not_stored(computer, rosa, branch, clock):
    conversation = MessageFactory(
        conversation=ConversationFactory(help_session=HelpSessionFactory(branch=branch, staff=rosa))
    ).conversation
    clock.shift(3600)
    here = {**OURS, "hx-request": "true", "hx-current-url": "http://testserver/desk/record/"}
    for late in ("desk_draft", "desk_attach"):
        answer = computer.post(reverse(late, args=[conversation.public_id]), {"body": "Words"}, headers=here)
        assert (answer.status_code, "HX-Redirect" in answer) == (401, False)
    assert (
        computer.post(reverse("autosave"), {"question": "Words"}, headers=here)["HX-Redirect"]
        == f"/locked/?next=%2Fdesk%2Frecord%2F&whose={rosa.public_id}"
    )
    assert not RefusedPost.objects.exists()


@pytest.mark.parametrize(
    "elsewhere", ["https://evil.example/", "//evil.example", "javascript:alert(1)", "/\\evil.example"]
)
def test_lock_page_never_redirects_to_another_site(computer, rosa, elsewhere):
    computer.post(reverse("lock"))
    assert open_by_pin(computer, rosa, ROSA, whose=rosa.public_id, next=elsewhere)["Location"] == "/desk/"


def test_form_sent_to_a_locked_computer_is_saved_for_its_author_only(computer, rosa, daniel, clock):
    clock.shift(3600)
    answer = computer.post(
        reverse("record"), {"question": "Private words of Rosa's"}, headers={**OURS, "hx-request": "true"}
    )
    assert answer["HX-Redirect"] == f"/locked/?whose={rosa.public_id}&next=%2Fkept%2F"
    assert RefusedPost.objects.get().person == rosa
    assert open_by_pin(computer, daniel, DANIEL)["Location"] == "/desk/"
    assert "Private words" not in computer.get("/kept/", follow=True).content.decode()
    computer.post(reverse("lock"))
    page = open_by_pin(computer, rosa, ROSA)["Location"]
    assert page == f"/desk/record/{HelpSession.objects.get().public_id}/"
    assert "Private words" in computer.get(page).content.decode()


@pytest.fixture
def conversation(rosa, branch):
    session = HelpSessionFactory(branch=branch, staff=rosa)
    return MessageFactory(conversation=ConversationFactory(help_session=session)).conversation


def refuse(computer, clock, name, conversation=None, **fields):
    """Send the form from the shared computer after the computer has locked itself."""
    clock.shift(3600)
    url = reverse(name, args=[conversation.public_id] if conversation else [])
    computer.post(url, fields, headers={**OURS, "hx-request": "true"})


@pytest.mark.parametrize(
    ("name", "kind", "field"), [("desk_reply", "reply", "id_body"), ("desk_note", "note", "note-body")]
)
def test_entering_a_pin_opens_the_conversation_to_which_the_refused_text_belongs(
    computer, rosa, conversation, clock, name, kind, field
):
    fields = {"client_token": str(uuid.uuid4()), "sequence": "3", "language": "en"}
    if kind == "note":
        fields["kind"] = "note"
    refuse(computer, clock, name, conversation, body="Half an answer", **fields)
    page = open_by_pin(computer, rosa, ROSA)["Location"]
    assert page == f"/desk/conversations/{conversation.public_id}/#{field}"
    words = computer.get(page).content.decode()
    assert "Half an answer</textarea>" in words
    assert "nothing was sent. Your text is still here." in unescape(words)
    assert [(draft.kind, draft.body) for draft in Draft.objects.all()] == [(kind, "Half an answer")]
    assert not RefusedPost.objects.exists()


def test_entering_a_pin_opens_the_saved_forms_if_no_other_page_can_show_the_text(
    computer, rosa, conversation, clock, branch
):
    refuse(computer, clock, "desk_snooze", conversation, until="2026-12-24")
    assert open_by_pin(computer, rosa, ROSA)["Location"] == "/kept/"
    assert "You pressed “Snooze”." in computer.get("/kept/").content.decode()
    RefusedPost.objects.all().delete()
    # The page /kept/ also opens if two forms are saved, or if the form has a patron's card number.
    refuse(computer, clock, "record", question="Lost?")
    headers = {**OURS, "hx-request": "true"}
    computer.post(reverse("record"), {"question": "Found?"}, headers=headers)
    assert RefusedPost.objects.count() == 2
    assert open_by_pin(computer, rosa, ROSA)["Location"] == "/kept/"
    RefusedPost.objects.all().delete()
    refuse(computer, clock, "record", question="Lost?", for_whom="21234000123456")
    assert open_by_pin(computer, rosa, ROSA)["Location"] == "/kept/"
    RefusedPost.objects.all().delete()
    # The page /kept/ also opens if Rosa can no longer open the conversation.
    refuse(computer, clock, "desk_reply", conversation, body="Half", client_token=str(uuid.uuid4()))
    Conversation.objects.update(branch=BranchFactory(name="Far away"))
    assert open_by_pin(computer, rosa, ROSA)["Location"] == "/kept/"
    assert "Half" in computer.get("/kept/").content.decode()


@pytest.mark.slow
def test_form_opened_by_one_staff_member_is_not_saved_for_the_next_staff_member(
    rosa, daniel, branch, sign_in
):
    browser = sign_in(Client(enforce_csrf_checks=True), rosa)

    def token():
        browser.get(
            reverse("desk_computers")
            if browser.get(reverse("desk")).status_code == 200
            else reverse("locked")
        )
        return browser.cookies["csrftoken"].value

    def send(address, **fields):
        return browser.post(address, {"csrfmiddlewaretoken": token(), **fields})

    send(reverse("desk_computers"), branch=branch.pk, name="Front desk")
    of_rosa = token()
    send(reverse("lock"))
    words = {"question": "Words of Rosa's", "csrfmiddlewaretoken": of_rosa}
    browser.post(reverse("record"), words, headers=OURS)
    # Rosa was the last person on this computer, and she opened the form.
    assert RefusedPost.objects.get().person == rosa
    RefusedPost.objects.all().delete()
    send(reverse("locked"), who=daniel.public_id, pin=DANIEL)
    assert browser.post(reverse("record"), words, headers=OURS).status_code == 403
    send(reverse("lock"))
    assert browser.post(reverse("record"), words, headers=OURS).status_code == 302
    assert not RefusedPost.objects.exists()


def test_desk_computer_can_be_opened_by_pin_after_a_staff_member_signs_out(computer, daniel):
    response = computer.post(reverse("sign_out"))
    assert response["Location"] == "/locked/"
    open_by_pin(computer, daniel, DANIEL)
    assert at_desk(computer)


def test_locking_an_ordinary_computer_does_nothing(client, patron, sign_in):
    assert client.post(reverse("lock"))["Location"] == "/"
    assert client.get(reverse("locked"))["Location"] == "/sign-in/?next=%2Fdesk%2F"
    sign_in(client, patron)
    client.post(reverse("lock"))
    assert client.get(reverse("me")).status_code == 200
    assert client.get(reverse("locked"))["Location"] == "/"


# Tests that work is recorded under the name of the staff member who did it.


def test_work_of_two_staff_members_on_one_computer_is_recorded_under_the_right_names(
    computer, rosa, daniel, patron, branch
):
    ServicePointFactory(branch=branch, name="Front desk")
    conversation = MessageFactory(
        conversation=ConversationFactory(
            help_session=HelpSessionFactory(branch=branch, staff=rosa, patron=patron)
        )
    ).conversation
    address = reverse("desk_conversation", args=[conversation.public_id])

    def work(body):
        computer.post(reverse("tally"))
        page = computer.get(address).content.decode()
        token = re.search(r'name="client_token" value="(.*?)"', page)[1]
        seen = re.search(r'name="seen"[^>]* value="(.*?)"', page)[1]
        computer.post(
            reverse("desk_draft", args=[conversation.public_id]),
            {"body": f"{body}, begun", "client_token": token, "sequence": 1},
        )
        return {"language": "en", "body": body, "client_token": token, "seen": seen, "sequence": 1}

    rosas = work("From Rosa")
    computer.post(reverse("lock"), {"next": address})
    open_by_pin(computer, daniel, DANIEL)
    daniels = work("From Daniel")
    # Daniel doesn't see Rosa's draft.
    assert "From Rosa, begun" not in computer.get(address).content.decode()
    computer.post(reverse("desk_reply", args=[conversation.public_id]), daniels)
    computer.post(reverse("lock"), {"next": address})
    assert open_by_pin(computer, rosa, ROSA, whose=rosa.public_id, next=address)["Location"] == address
    assert "From Rosa, begun" in computer.get(address).content.decode()
    computer.post(reverse("desk_reply", args=[conversation.public_id]), {**rosas, "action": "send_anyway"})
    assert [
        (message.author, message.body)
        for message in conversation.messages.filter(side="staff").order_by("pk")
    ] == [(daniel, "From Daniel"), (rosa, "From Rosa")]
    tallies = HelpSession.objects.filter(status="tally").values_list("staff__name", "service_point__name")
    assert sorted(tallies) == [("Daniel Osei", "Front desk"), ("Rosa Lindqvist", "Front desk")]
    assert set(
        AuditEvent.objects.filter(patron=patron, action="opened").values_list("by__name", flat=True)
    ) == {"Daniel Osei", "Rosa Lindqvist"}
    assert not Draft.objects.exists()


# Tests of the number of queries.


def test_desk_page_runs_one_more_query_on_a_shared_computer(
    client, rosa, daniel, branch, sign_in, django_assert_num_queries
):
    sign_in(client, rosa).get(reverse("code_cards"))
    costs = 6
    with django_assert_num_queries(costs):
        client.get(reverse("code_cards"))
    client.post(reverse("desk_computers"), {"branch": branch.pk, "name": "Front desk"})
    client.post(reverse("lock"))
    open_by_pin(client, daniel, DANIEL)
    client.get(reverse("code_cards"))
    with django_assert_num_queries(costs + 1):
        client.get(reverse("code_cards"))


def test_device_list_marks_a_shared_desk_computer(computer, daniel, sign_in):
    phone = sign_in(Client(), daniel)
    computer.post(reverse("lock"))
    open_by_pin(computer, daniel, DANIEL)
    assert phone.get(reverse("me")).content.decode().count("shared desk computer ·") == 1
    computer.post(reverse("lock"))
    assert "shared desk computer ·" not in phone.get(reverse("me")).content.decode()
