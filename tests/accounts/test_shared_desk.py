"""A computer at which several of the staff work: unlocked for the day, opened by PINs, locked when nobody uses it."""

import datetime
import re
import time
import uuid

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
from portal.conversations.models import Draft
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
    StaffFactory,
    code_for,
)

pytestmark = pytest.mark.django_db
OURS = {"sec-fetch-site": "same-origin"}
ROSA, DANIEL = "83619", "4071"
NINE = datetime.datetime(2026, 11, 25, 15, tzinfo=datetime.UTC)  # in the morning, at the library


@pytest.fixture(autouse=True)
def _quick_hashes(settings):
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


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
    """The browser at the front desk: Rosa has unlocked it for the day and is at it."""
    sign_in(client, rosa)
    client.post(reverse("desk_computers"), {"branch": branch.pk, "name": "Front desk"})
    return client


def open_by_pin(browser, person, pin, **fields):
    return browser.post(reverse("locked"), {"who": person.public_id, "pin": pin, **fields})


def at_desk(browser):
    return browser.get(reverse("desk")).status_code == 200


def who_is_there(browser):
    """The name in the bar of the desk."""
    page = browser.get(reverse("desk")).content.decode()
    return re.search(r'id="whose-turn">.*?<span dir="auto">(.*?)</span>', page, re.DOTALL)[1]


# Unlocked for the day


def test_a_computer_is_unlocked_until_the_librarys_day_is_over(computer, rosa, branch):
    desk = SharedDesk.objects.get()
    assert (desk.name, desk.branch, desk.unlocked_by) == ("Front desk", branch, rosa)
    assert desk.until == datetime.datetime(2026, 11, 26, 6, tzinfo=datetime.UTC)  # midnight in Chicago
    assert AuditEvent.objects.get(action="unlocked_shared_desk").by == rosa


def test_at_most_sixteen_hours(rosa, branch, clock):
    clock.move_to(NINE.replace(hour=11))  # five in the morning
    desk, _token = shared_desks.unlock(branch=branch, name="Front desk", by=rosa, at=timezone.now())
    assert desk.until - desk.unlocked_at == datetime.timedelta(hours=16)


def test_the_browser_knows_itself_by_what_the_database_does_not_hold(computer):
    cookie = computer.cookies[DESK_TOKEN]
    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "Lax", "/")
    assert cookie.value not in str(SharedDesk.objects.values_list()[0])


def test_it_takes_the_second_factor_to_unlock_one(client, rosa, sign_in, branch):
    sign_in(client, rosa, second_factor=False)
    response = client.post(reverse("desk_computers"), {"branch": branch.pk, "name": "Front desk"})
    assert response["Location"].startswith("/second-factor/")
    assert not SharedDesk.objects.exists()


def test_a_pin_unlocks_no_other_and_is_led_to_the_second_factor(computer, daniel, branch):
    computer.post(reverse("lock"))
    open_by_pin(computer, daniel, DANIEL)
    assert computer.post(reverse("desk_computers"), {"branch": branch.pk, "name": "At home"})[
        "Location"
    ].startswith("/second-factor/")
    assert SharedDesk.objects.get().name == "Front desk"


def test_only_at_a_branch_where_one_works(client, rosa, sign_in):
    page = sign_in(client, rosa).post(
        reverse("desk_computers"), {"branch": BranchFactory().pk, "name": "Front desk"}
    )
    assert 'id="id_branch_error"' in page.content.decode() or "error-summary" in page.content.decode()
    assert not SharedDesk.objects.exists()


def test_unlocked_anew_it_is_one_computer(computer, rosa, branch):
    computer.post(reverse("desk_computers"), {"branch": branch.pk, "name": "Back room"})
    assert [desk.name for desk in SharedDesk.objects.unlocked(timezone.now())] == ["Back room"]
    assert at_desk(computer)


def test_when_the_day_is_over_nobody_is_signed_in_and_no_pin_opens_it(computer, rosa, clock):
    clock.move_to(NINE.replace(day=26, hour=5, minute=59))
    computer.post(reverse("lock"))
    assert open_by_pin(computer, rosa, ROSA).status_code == 302
    clock.shift(60)
    assert not at_desk(computer)
    assert computer.get(reverse("locked"))["Location"] == "/sign-in/?next=%2Fdesk%2F"
    shared_desks.forget_shared_desks(at=timezone.now())
    assert not SharedDesk.objects.exists()


def test_the_sign_in_of_who_unlocked_it_ends_with_the_day_too(computer, clock):
    for _hour in range(15):
        clock.shift(3600)
        Client.get(computer, reverse("logo"))
    assert not at_desk(computer)


def test_from_afar_it_is_closed_by_who_unlocked_it_and_by_a_coordinator(
    computer, rosa, daniel, coordinator, sign_in
):
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


def test_one_of_a_branch_that_nobody_coordinates_is_any_coordinators(computer, daniel, sign_in):
    for person, status in ((daniel, 404), (StaffFactory(branch__role="coordinator"), 302)):
        answer = sign_in(Client(), person).post(
            reverse("close_desk_computer", args=[SharedDesk.objects.get().public_id])
        )
        assert answer.status_code == status


def test_whoever_is_at_it_may_close_it(computer, daniel):
    computer.post(reverse("lock"))
    open_by_pin(computer, daniel, DANIEL)
    computer.post(reverse("close_desk_computer", args=[SharedDesk.objects.get().public_id]))
    assert SharedDesk.objects.get().closed_at
    assert not at_desk(computer)


def test_it_ends_with_the_role_of_who_unlocked_it(computer, rosa, daniel, coordinator, branch):
    computer.post(reverse("lock"))
    roles.end_role(rosa, branch=branch, by=coordinator, at=timezone.now())
    assert open_by_pin(computer, daniel, DANIEL)["Location"] == "/sign-in/?next=%2Fdesk%2F"


@pytest.mark.parametrize("rows", [1, 30])
def test_the_list_costs_the_same_whatever_its_length(
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


# A PIN


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
def test_a_pin_that_somebody_would_try_first_is_refused(client, staff, sign_in, pin):
    page = sign_in(client, staff).post(reverse("desk_pin"), {"pin": pin, "pin_again": pin})
    assert page.status_code == 200
    assert "error-summary" in page.content.decode()
    assert not DeskPin.objects.exists()


@pytest.mark.parametrize("pin", ["4071", "83619", "590274", "40 71", "٤٠٧١"])
def test_a_pin_is_set_and_nowhere_to_be_read(client, staff, sign_in, pin):
    page = (
        sign_in(client, staff)
        .post(reverse("desk_pin"), {"pin": pin, "pin_again": pin}, follow=True)
        .content.decode()
    )
    assert pin not in page
    assert "4071" not in DeskPin.objects.get(person=staff).pin_hash


def test_the_database_alone_tells_no_pin(rosa, settings):
    """Who reads it tries ten thousand: they need the server's key as well."""
    assert desk_pins._is_right(rosa, ROSA)
    key, settings.SECRET_KEY = settings.SECRET_KEY, "another key"
    assert not desk_pins._is_right(rosa, ROSA)
    settings.SECRET_KEY_FALLBACKS = [key]
    assert desk_pins._is_right(rosa, ROSA)
    settings.SECRET_KEY_FALLBACKS = []  # it was kept under the new one meanwhile
    assert desk_pins._is_right(User.objects.get(pk=rosa.pk), ROSA)


def test_two_people_with_one_pin_have_two_fingerprints(rosa, daniel):
    desk_pins.set_pin(daniel, pin=ROSA, at=timezone.now())
    assert not desk_pins._is_right(User(pk=daniel.pk, desk_pin=rosa.desk_pin), ROSA)


def test_another_one_below_is_an_error(client, staff, sign_in):
    sign_in(client, staff).post(reverse("desk_pin"), {"pin": "4071", "pin_again": "4072"})
    assert not DeskPin.objects.exists()


def test_it_is_set_behind_the_second_factor_alone(computer, daniel):
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


def test_whoever_sets_another_ends_what_the_old_one_opened(computer, daniel, sign_in):
    computer.post(reverse("lock"))
    open_by_pin(computer, daniel, DANIEL)
    phone = sign_in(Client(), daniel)
    phone.post(reverse("desk_pin"), {"pin": "590274", "pin_again": "590274"})
    assert not at_desk(computer)
    assert at_desk(phone)
    assert open_by_pin(computer, daniel, DANIEL).status_code == 200
    assert open_by_pin(computer, daniel, "590274").status_code == 302


def test_without_one_the_computer_does_not_know_them(computer, daniel, sign_in):
    sign_in(Client(), daniel).post(reverse("desk_pin"), {"remove": "1"})
    computer.post(reverse("lock"))
    assert str(daniel.public_id) not in computer.get(reverse("locked")).content.decode()
    open_by_pin(computer, daniel, DANIEL)
    assert not at_desk(computer)


def test_it_goes_with_the_last_passkey_or_app(client, rosa, sign_in):
    both = [PasskeyFactory(person=rosa), PasskeyFactory(person=rosa)]
    for passkey, left in zip(both, (True, False), strict=True):
        passkeys.remove(passkey, by=rosa, at=timezone.now())
        assert DeskPin.objects.filter(person=rosa).exists() is left


def test_it_goes_with_a_lost_second_factor_and_with_the_role(rosa, daniel, coordinator, branch):
    roles.forget_second_factor(rosa, by=coordinator, at=timezone.now())
    roles.end_role(daniel, branch=branch, by=coordinator, at=timezone.now())
    assert not DeskPin.objects.exists()


# What a PIN opens


def test_staff_switch_by_pin_and_the_bar_says_whose_turn_it_is(computer, rosa, daniel):
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
    assert not Client().session.exists(key)  # nobody comes back with the cookie of before


def test_the_page_offers_those_who_work_there_and_have_a_pin_by_their_first_names(
    computer, rosa, daniel, branch
):
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


def test_nowhere_else(computer, daniel, client):
    computer.post(reverse("lock"))
    elsewhere = Client()
    assert open_by_pin(elsewhere, daniel, DANIEL)["Location"] == "/sign-in/?next=%2Fdesk%2F"
    elsewhere.cookies[DESK_TOKEN] = "a-token-that-somebody-made-up"
    assert open_by_pin(elsewhere, daniel, DANIEL)["Location"] == "/sign-in/?next=%2Fdesk%2F"


def test_what_it_opened_is_of_no_use_in_another_browser(computer, daniel):
    computer.post(reverse("lock"))
    open_by_pin(computer, daniel, DANIEL)
    thief = Client()
    thief.cookies["sessionid"] = computer.cookies["sessionid"].value
    assert not at_desk(thief)
    assert not at_desk(computer)  # and has ended


def address(route):
    """Some address of it: what is refused by the door is refused whatever is behind."""
    return reverse(
        route.name, args=[uuid.uuid4() if name.endswith("_id") else "abc" for name in route.converters]
    )


BEHIND_SECOND_FACTOR = {"desk_pin"}  # of what is for all of the staff; unlocking is tried above
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
OUTSIDE_THE_DESK |= {"set_language", "logo", "service_worker", "offline"}


def test_nor_on_another_shared_desk(computer, rosa, daniel, branch):
    computer.post(reverse("lock"))
    open_by_pin(computer, daniel, DANIEL)
    _desk, token = shared_desks.unlock(branch=branch, name="Back room", by=rosa, at=timezone.now())
    computer.cookies[DESK_TOKEN] = token
    assert not at_desk(computer)


@pytest.mark.parametrize("method", ["get", "post"])
def test_of_all_pages_a_pin_opens_the_desk_alone(computer, coordinator, method):
    """To a coordinator, too, what is changed for the whole library stays shut, and what is theirs as a patron."""
    desk_pins.set_pin(coordinator, pin=DANIEL, at=timezone.now())
    computer.post(reverse("lock"))
    open_by_pin(computer, coordinator, DANIEL)
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


def test_and_the_second_factor_itself(computer, daniel):
    computer.post(reverse("lock"))
    open_by_pin(computer, daniel, DANIEL)
    assert (
        computer.get(reverse("change_second_factor"))["Location"]
        == "/second-factor/?next=%2Fsecond-factor%2Fchange%2F"
    )
    assert computer.post(reverse("add_passkey_options"))["Location"].startswith("/second-factor/")
    response = computer.get(reverse("second_factor"))  # there is none to show, and a PIN sets none up
    assert response["Location"] == "/sign-in/?next=%2Fsecond-factor%2F"
    assert not at_desk(computer)


def test_who_shows_it_is_behind_it_until_the_computer_locks(computer, coordinator, sign_in):
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


def test_what_was_in_the_browser_before_is_not_theirs(computer, rosa, daniel):
    computer.post(reverse("close_desk_computer", args=["00000000-0000-4000-8000-000000000000"]))
    computer.post(
        reverse("desk_pin"), {"pin": "590274", "pin_again": "590274"}
    )  # leaves a word for Rosa on the next page
    computer.post(reverse("lock"))
    open_by_pin(computer, daniel, DANIEL)
    assert "PIN saved" not in computer.get(reverse("desk")).content.decode()


def test_nor_is_what_somebody_opened_while_it_was_locked(computer, daniel, show_code):
    computer.post(reverse("lock"))
    del computer.cookies["sessionid"]
    show_code(computer, code_for(HelpSessionFactory(handed_over_at=timezone.now())))
    assert computer.session[OPENED_CODES]
    open_by_pin(computer, daniel, DANIEL)
    assert OPENED_CODES not in computer.session


def test_signing_in_there_the_long_way_is_at_that_computer_too(computer, daniel, clock):
    computer.post(reverse("lock"))
    sign_in_by_code(computer, daniel.email)
    assert computer.get(reverse("me")).status_code == 200
    clock.shift(7 * 60)
    assert computer.get(reverse("me"))["Location"] == f"/locked/?next=%2Fme%2F&whose={daniel.public_id}"


@pytest.mark.parametrize("how", ["role", "disabled"])
def test_who_leaves_is_out_at_once(computer, daniel, coordinator, branch, how):
    computer.post(reverse("lock"))
    open_by_pin(computer, daniel, DANIEL)
    if how == "role":
        roles.give_role(
            daniel, branch=BranchFactory(), role="staff", by=coordinator, at=timezone.now()
        )  # they go on elsewhere
        roles.end_role(daniel, branch=branch, by=coordinator, at=timezone.now())
    else:
        User.objects.filter(pk=daniel.pk).update(is_active=False)
    assert not at_desk(computer)
    open_by_pin(computer, daniel, DANIEL)
    assert not at_desk(computer)


# Wrong PINs


def wrong(browser, person, times):
    for _time in range(times):
        response = open_by_pin(browser, person, "590274")
    return response


def test_after_five_wrong_ones_it_is_shut_there_until_the_second_factor_is_shown(
    computer, rosa, daniel, branch, sign_in
):
    computer.post(reverse("lock"))
    assert "You have 1 tries left" not in wrong(computer, daniel, 4).content.decode()
    page = wrong(computer, daniel, 1).content.decode()
    assert "Use your second factor before you try" in page
    open_by_pin(computer, daniel, DANIEL)
    assert not at_desk(computer)
    assert open_by_pin(computer, rosa, ROSA).status_code == 302  # nobody else's
    computer.post(reverse("lock"))
    other, token = shared_desks.unlock(branch=branch, name="Other desk", by=rosa, at=timezone.now())
    elsewhere = Client()
    elsewhere.cookies[DESK_TOKEN] = token
    assert open_by_pin(elsewhere, daniel, DANIEL).status_code == 302  # nor on another computer
    desk_pins.reset_pin_tries(daniel)
    assert open_by_pin(computer, daniel, DANIEL).status_code == 302


def test_showing_the_second_factor_opens_it_again(computer, daniel, sign_in):
    computer.post(reverse("lock"))
    wrong(computer, daniel, 5)
    phone = sign_in(Client(), daniel)
    request = phone.get(reverse("me")).wsgi_request
    record_second_factor(request, at=timezone.now())
    assert open_by_pin(computer, daniel, DANIEL).status_code == 302


def test_a_right_one_begins_the_count_anew_and_tells_of_the_wrong_ones(computer, daniel):
    computer.post(reverse("lock"))
    wrong(computer, daniel, 3)
    open_by_pin(computer, daniel, DANIEL)
    assert "a wrong PIN for you 3 times" in computer.get(reverse("desk")).content.decode()
    computer.post(reverse("lock"))
    wrong(computer, daniel, 4)
    assert open_by_pin(computer, daniel, DANIEL).status_code == 302


def test_after_twenty_wrong_ones_of_anybody_the_computer_is_closed(computer, rosa, daniel, branch):
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


def test_who_unlocks_a_computer_over_and_over_has_no_more_tries_of_a_colleagues_pin(
    client, rosa, daniel, branch, sign_in
):
    """Rosa may unlock as many as she likes, and guesses at each of them in a browser of her own."""
    sign_in(client, rosa)
    tried = 0
    for _number in range(6):
        client.post(reverse("desk_computers"), {"branch": branch.pk, "name": "Front desk"})
        guessing = Client()
        guessing.cookies[DESK_TOKEN] = client.cookies[DESK_TOKEN].value
        for _try in range(4):
            tried += "left." in open_by_pin(guessing, daniel, "590274").content.decode()
        assert (
            open_by_pin(guessing, rosa, ROSA).status_code == 302
        )  # so that the computer isn't closed by her own tries
    assert tried == desk_pins.MAX_WRONG_IN_TOTAL
    open_by_pin(guessing, daniel, DANIEL)
    assert who_is_there(guessing) == "Rosa Lindqvist"
    desk_pins.reset_pin_tries(daniel)
    fresh = Client()
    fresh.cookies[DESK_TOKEN] = client.cookies[DESK_TOKEN].value
    assert open_by_pin(fresh, daniel, DANIEL).status_code == 302


# Locked


def test_it_locks_when_nobody_has_used_it(computer, rosa, library, clock):
    library.desk_locks_after_minutes = 3
    library.save()
    clock.shift(3 * 60 + 89)
    assert at_desk(computer)
    clock.shift(3 * 60 + 90)
    response = computer.get("/desk/?tab=mine")
    assert response["Location"] == f"/locked/?next=%2Fdesk%2F%3Ftab%3Dmine&whose={rosa.public_id}"
    assert not at_desk(computer)


def test_what_a_page_asks_by_itself_is_no_use_of_it(computer, rosa, branch, clock):
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


def test_typing_and_reading_are(computer, clock):
    for _time in range(20):
        clock.shift(60)
        assert computer.post(reverse("desk_used")).status_code == 204
    assert at_desk(computer)


def test_that_it_is_used_is_written_once_a_minute(computer, clock):
    clock.shift(61)
    computer.get(reverse("code_cards"))
    used_at = computer.session["used_at"]
    assert used_at == time.time()
    clock.shift(59)
    computer.get(reverse("code_cards"))
    assert computer.session["used_at"] == used_at


def test_views_that_are_asked_by_themselves_are_known():
    asked = {route.name for route in routes() if getattr(route.view, "background_request", False)}
    assert asked == {
        "desk_queue_news",
        "desk_news",
        "desk_leave",
        "conversation_news",
        "service_worker",
        "offline",
    }


def test_a_poll_of_a_locked_computer_leads_the_page_away(computer, rosa, clock):
    clock.shift(3600)
    page = {"hx-request": "true", "hx-current-url": "http://testserver/desk/conversations/7/"}
    for _tab in range(2):  # the second finds nobody signed in
        answer = computer.get(reverse("desk_queue_news"), headers=page)
        assert answer["HX-Redirect"] == f"/locked/?next=%2Fdesk%2Fconversations%2F7%2F&whose={rosa.public_id}"


def test_the_same_person_goes_on_where_they_were_and_another_at_the_queue(computer, rosa, daniel):
    locked = computer.post(reverse("lock"), {"next": "/desk/cards/"})["Location"]
    page = computer.get(locked).content.decode()
    fields = dict(re.findall(r'<input type="hidden" name="(who|whose|next)" value="(.*?)">', page))
    assert fields == {
        "who": str(rosa.public_id),
        "whose": str(rosa.public_id),
        "next": "/desk/cards/",
    }  # asked for theirs at once
    assert computer.post(locked, {**fields, "pin": ROSA})["Location"] == "/desk/cards/"
    computer.post(reverse("lock"), {"next": "/desk/cards/"})
    assert computer.post(locked, {**fields, "who": daniel.public_id, "pin": DANIEL})["Location"] == "/desk/"


def test_what_is_sent_by_itself_is_refused_and_kept_on_the_page(computer, rosa, branch, clock):
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
def test_it_leads_to_no_other_site(computer, rosa, elsewhere):
    computer.post(reverse("lock"))
    assert open_by_pin(computer, rosa, ROSA, whose=rosa.public_id, next=elsewhere)["Location"] == "/desk/"


def test_words_sent_to_a_locked_computer_wait_for_their_author_and_nobody_else(computer, rosa, daniel, clock):
    clock.shift(3600)
    answer = computer.post(
        reverse("record"), {"question": "Private words of Rosa's"}, headers={**OURS, "hx-request": "true"}
    )
    assert answer["HX-Redirect"] == f"/locked/?whose={rosa.public_id}&next=%2Fkept%2F"
    assert RefusedPost.objects.get().person == rosa
    assert open_by_pin(computer, daniel, DANIEL)["Location"] == "/desk/"
    assert "Private words" not in computer.get("/kept/", follow=True).content.decode()
    computer.post(reverse("lock"))
    assert open_by_pin(computer, rosa, ROSA)["Location"] == "/kept/"
    assert "Private words" in computer.get("/kept/").content.decode()


def test_a_form_of_before_in_another_tab_is_kept_in_nobodys_name(rosa, daniel, branch, sign_in):
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
    assert RefusedPost.objects.get().person == rosa  # she was here last, and the form was hers
    RefusedPost.objects.all().delete()
    send(reverse("locked"), who=daniel.public_id, pin=DANIEL)
    assert browser.post(reverse("record"), words, headers=OURS).status_code == 403
    send(reverse("lock"))
    assert browser.post(reverse("record"), words, headers=OURS).status_code == 302
    assert not RefusedPost.objects.exists()


def test_who_signs_out_leaves_the_computer_to_the_next(computer, daniel):
    response = computer.post(reverse("sign_out"))
    assert response["Location"] == "/locked/"
    open_by_pin(computer, daniel, DANIEL)
    assert at_desk(computer)


def test_without_a_shared_desk_there_is_nothing_to_lock(client, patron, sign_in):
    assert client.post(reverse("lock"))["Location"] == "/"
    assert client.get(reverse("locked"))["Location"] == "/sign-in/?next=%2Fdesk%2F"
    sign_in(client, patron)
    client.post(reverse("lock"))
    assert client.get(reverse("me")).status_code == 200
    assert client.get(reverse("locked"))["Location"] == "/"


# What is written down


def test_what_two_of_them_do_on_one_computer_carries_the_right_names(computer, rosa, daniel, patron, branch):
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
    assert "From Rosa, begun" not in computer.get(address).content.decode()  # what she writes is hers
    computer.post(reverse("desk_reply", args=[conversation.public_id]), daniels)
    computer.post(reverse("lock"), {"next": address})
    assert open_by_pin(computer, rosa, ROSA, whose=rosa.public_id, next=address)["Location"] == address
    assert "From Rosa, begun" in computer.get(address).content.decode()
    computer.post(reverse("desk_reply", args=[conversation.public_id]), {**rosas, "action": "send_anyway"})
    assert [
        (message.author, message.body)
        for message in conversation.messages.filter(side="staff").order_by("pk")
    ] == [(daniel, "From Daniel"), (rosa, "From Rosa")]
    tallies = HelpSession.objects.filter(status="tally").values_list("staff__name", "service_point")
    assert sorted(tallies) == [("Daniel Osei", "Front desk"), ("Rosa Lindqvist", "Front desk")]
    assert set(
        AuditEvent.objects.filter(patron=patron, action="opened").values_list("by__name", flat=True)
    ) == {"Daniel Osei", "Rosa Lindqvist"}
    assert not Draft.objects.exists()


# What it costs


def test_a_page_costs_nothing_more_elsewhere_and_one_query_here(
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


def test_among_ones_devices_it_says_what_it_is(computer, daniel, sign_in):
    phone = sign_in(Client(), daniel)
    computer.post(reverse("lock"))
    open_by_pin(computer, daniel, DANIEL)
    assert phone.get(reverse("me")).content.decode().count("shared desk computer ·") == 1
    computer.post(reverse("lock"))
    assert "shared desk computer ·" not in phone.get(reverse("me")).content.decode()
