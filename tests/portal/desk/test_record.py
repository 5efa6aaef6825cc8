import datetime
import json
import re
import uuid
from concurrent.futures import ThreadPoolExecutor
from html import unescape

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from portal.checkins.models import CheckIn
from portal.desk.narrowing import choices
from portal.helpsessions.models import ClaimCode, HelpSession, SessionNote
from recommendations.models import Item, Recommendation
from recommendations.search.finding import find_items
from recommendations.search.narrowing import Narrowing
from recommendations.verdicts import choices_for
from tests.factories import (
    BranchFactory,
    ConversationFactory,
    HelpSessionFactory,
    ItemFactory,
    TopicFactory,
    code_for,
)
from tests.portal.pages import text

pytestmark = pytest.mark.usefixtures("at_noon")
RECORD = "/desk/record/"


def rows(*chosen):
    """Return the fields that an item picker with these rows posts."""
    fields = {"items-TOTAL_FORMS": str(len(chosen)), "items-INITIAL_FORMS": "0"}
    for number, row in enumerate(chosen):
        fields |= {f"items-{number}-{name}": value for name, value in row.items()}
    return fields


def press(desk, action, fields):
    """Press a button of the item picker as htmx does, and return the response."""
    return desk.post(RECORD, {**fields, "action": action}, headers={"HX-Request": "true"})


def shown(response):
    return response.content.decode()


def test_new_record_form_has_the_mode_and_branch_of_todays_latest_session(desk, staff, branch):
    HelpSessionFactory(staff=staff, branch=branch, mode="chat", happened_on=datetime.date(2026, 3, 4))
    form = desk.get(RECORD).context["form"]
    assert {name: form[name].value() for name in ("mode", "question_type", "people", "hour", "branch")} == {
        "mode": "chat",
        "question_type": "reference",
        "people": 1,
        "hour": 12,
        "branch": branch.pk,
    }
    assert str(form["happened_on"].value()) == "2026-03-04"


def test_record_form_has_the_quiet_switch_first_and_no_name_field(desk):
    page = shown(desk.get(RECORD))
    names = [
        name
        for name in re.findall(r'<(?:input|textarea|select)[^>]* name="([^"]+)"', page)
        if name in {"quiet", "question", "mode", "read_level"}
    ]
    assert names[0] == "quiet"
    assert "patron" not in re.findall(r' name="([^"]+)"', page)


def test_visit_is_recorded_with_its_items_and_note(desk, staff, branch, item, typed):
    topic = TopicFactory()
    chosen = rows(
        {"item": item.public_id, "reason": "quiet courage", "starred": "on"},
        {"kind": "web_page", "title": "Reading map", "url": "example.org/map"},
    )
    answer = desk.post(RECORD, typed(topic=topic.pk, note="Seemed shy", **chosen))
    session = HelpSession.objects.get()
    assert answer.url == reverse("slip", args=[session.public_id])
    assert (session.status, session.staff, session.branch, session.patron) == (
        "recorded",
        staff,
        branch,
        None,
    )
    assert (
        session.mode,
        session.question_type,
        session.topic,
        session.read_level,
        session.minutes,
        session.hour,
    ) == (
        "phone",
        "readers_advisory",
        topic,
        3,
        6,
        12,
    )
    assert session.note.body == "Seemed shy"
    given = [(r.item.title, r.reason, r.starred) for r in Recommendation.objects.order_by("pk")]
    assert given == [("To Kill a Mockingbird", "quiet courage", True), ("Reading map", "", False)]
    assert Item.objects.get(title="Reading map").url == "https://example.org/map"
    assert session.claim_codes.get().state == ClaimCode.State.LIVE


def test_visit_can_be_recorded_without_a_code(desk, typed):
    answer = desk.post(RECORD, typed(action="save_only"))
    session = HelpSession.objects.get()
    assert answer.url == reverse("desk_session", args=[session.public_id])
    assert not session.claim_codes.exists()


def test_posting_the_record_form_twice_records_one_visit(desk, typed, item):
    fields = typed(**rows({"item": item.public_id}))
    first, second = desk.post(RECORD, fields), desk.post(RECORD, fields)
    assert first.url == second.url
    assert (HelpSession.objects.count(), Recommendation.objects.count(), ClaimCode.objects.count()) == (
        1,
        1,
        1,
    )


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("action", ["save", "later"])
def test_simultaneous_posts_of_one_record_form_create_one_visit(desk, typed, item, action):
    fields, cookies = typed(action=action, **rows({"item": item.public_id})), desk.cookies

    def post(_number):
        browser = Client()
        browser.cookies = cookies
        try:
            return browser.post(RECORD, fields).status_code
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as pool:
        assert set(pool.map(post, range(6))) == {302}
    assert HelpSession.objects.count() == 1
    assert Recommendation.objects.count() == (action == "save")


def test_record_form_is_saved_for_its_author_if_the_sign_in_has_expired(desk, staff, sign_in, typed):
    desk.get(RECORD)
    del desk.cookies["sessionid"]
    answer = desk.post(RECORD, typed(), headers={"Sec-Fetch-Site": "same-origin"})
    assert answer.status_code == 302
    assert not HelpSession.objects.exists()
    assert "Books like Mockingbird?" in shown(sign_in(desk, staff).get("/kept/"))


def test_autosave_after_the_sign_in_expired_does_not_redirect_the_browser(desk, typed):
    desk.get(RECORD)
    del desk.cookies["sessionid"]
    answer = desk.post(
        "/desk/record/autosave/", typed(), headers={"HX-Request": "true", "Sec-Fetch-Site": "same-origin"}
    )
    assert (answer.status_code, answer.headers.get("HX-Redirect")) == (401, None)


@pytest.mark.few_cases
@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"happened_on": "2026-03-05"}, "in the future"),
        ({"hour": "13"}, "in the future"),
        ({"happened_on": "0206-03-04"}, "Check the year."),
        ({"minutes": "10000000000000000000"}, "600"),
        ({"people": "0"}, "1"),
        ({"question": ""}, None),
        ({"question": "", "summary": " "}, "use Tally"),
        ({"mode": "pigeon"}, "pigeon"),
        ({"card": "123"}, "13 digits"),
        ({"branch": "999999"}, "valid"),
    ],
)
def test_invalid_record_form_shows_the_error_and_the_typed_values_again(desk, typed, item, wrong, words):
    answer = desk.post(
        RECORD, typed(note="stays too", **rows({"item": item.public_id, "reason": "kept reason"}), **wrong)
    )
    # A visit with an item needs no text.
    if words is None or "question" in wrong:
        assert answer.status_code == 302
        return
    page = shown(answer)
    assert answer.status_code == 422
    assert words in page
    for kept in ("stays too", "kept reason", "To Kill a Mockingbird", "Two novels about growing up."):
        assert kept in page
    assert not HelpSession.objects.recorded().exists()


def test_visit_without_any_text_is_refused(desk, typed):
    answer = desk.post(RECORD, typed(question="", summary=" "))
    assert answer.status_code == 422
    assert "use Tally" in shown(answer)


@pytest.mark.parametrize("people", ["", "0", "501", "two"])
def test_error_about_the_number_of_people_says_which_numbers_are_valid(desk, typed, people):
    assert "Enter a whole number from 1 to 500." in shown(desk.post(RECORD, typed(people=people)))


def test_saving_an_empty_record_form_creates_no_unfinished_visit(desk, typed):
    desk.post(RECORD, typed(question="", summary=" "))
    assert not HelpSession.objects.exists()


def test_invalid_record_form_is_saved_as_an_unfinished_visit(desk, typed):
    desk.post(RECORD, typed(people="0", question="Kept on the server"))
    assert "Kept on the server" in shown(desk.get(RECORD))


def test_visit_of_an_earlier_day_can_have_any_hour(desk, typed):
    desk.post(RECORD, typed(happened_on="2026-03-01", hour="20"))
    assert (str(HelpSession.objects.get().happened_on), HelpSession.objects.get().hour) == ("2026-03-01", 20)


def test_visit_with_a_social_security_number_is_saved_after_one_warning(desk, typed):
    fields = typed(summary="Form filled for 078-05-1120")
    answer = desk.post(RECORD, fields)
    assert answer.status_code == 422
    assert "social security or card number" in shown(answer)
    assert 'name="warned"' in shown(answer)
    desk.post(RECORD, {**fields, "warned": "1"})
    assert HelpSession.objects.recorded().count() == 1


@pytest.mark.parametrize("query", ["mockingbird", "harper", "fic lee"])
def test_item_search_finds_items_by_title_and_author_and_call_number(desk, item, query):
    page = shown(desk.get("/desk/items/", {"q": query}, headers={"HX-Request": "true"}))
    assert f"pick-{item.public_id}" in page
    assert "FIC LEE" in page
    assert "<html" not in page


def test_item_search_without_results_says_how_to_add_an_item(desk):
    assert "by hand" in shown(desk.get("/desk/items/", {"q": "zzz"}))


def test_item_search_shows_the_corrected_word_and_links_to_a_search_for_the_typed_word(desk, item):
    page = shown(desk.get("/desk/items/", {"q": "mockinbird"}, headers={"HX-Request": "true"}))
    assert f"pick-{item.public_id}" in page
    assert "Showing results for <em>mockingbird</em>." in page
    assert "Search only for “mockinbird”" in page
    page = shown(desk.get("/desk/items/", {"q": "mockinbird", "as_typed": "1"}))
    assert f"pick-{item.public_id}" not in page
    assert "by hand" in page


def test_search_for_the_corrected_or_typed_word_works_without_javascript(desk, typed, item):
    for action, is_found in (("find", True), ("as_typed", False)):
        page = desk.get(desk.post(RECORD, {**typed(), "action": action, "q": "mockinbird"})["Location"])
        assert (f"pick-{item.public_id}" in shown(page)) is is_found


def test_buttons_beside_the_item_search_narrow_the_search_and_widen_it_again(desk, branch, item):
    ItemFactory(title="The mockingbird next door", kind="audiobook", language="spa")
    elsewhere = ItemFactory(
        title="Mockingbird", branch=BranchFactory(), call_number="598 MOC", language="eng"
    )

    def find(**fields):
        page = shown(desk.get("/desk/items/", {"q": "mockingbird", **fields}, headers={"HX-Request": "true"}))
        buttons = r'value="narrow-([\w.]*)"\s+id="narrow-(\w+)"\s+aria-pressed="(\w+)"'
        choices = [(code, value, pressed) for value, code, pressed in re.findall(buttons, page)]
        found = re.findall(r'id="pick-([\w-]+)"', page)
        return {item.title for item in Item.objects.filter(public_id__in=found)}, choices

    everything = {item.title, elsewhere.title, "The mockingbird next door"}
    assert find() == (
        everything,
        [
            ("here", "here", "false"),
            ("kbook", "kbook", "false"),
            ("kaudiobook", "kaudiobook", "false"),
            ("len", "len", "false"),
            ("les", "les", "false"),
        ],
    )
    assert find(narrow="here") == ({item.title}, [("here", "", "true")])
    titles, choices = find(narrow="kaudiobook.les")
    assert titles == {"The mockingbird next door"}
    assert choices[:2] == [("kaudiobook", "les", "true"), ("les", "kaudiobook", "true")]
    assert find(narrow="kmap") == (set(), [("kmap", "", "true")])
    assert find(narrow="nonsense.k.l")[0] == everything


def test_item_search_has_a_button_for_large_print_if_it_finds_items_in_large_print(desk, item):
    large = ItemFactory(title="To kill a mockingbird", form="large_print", creators="Lee, Harper")
    ItemFactory(title="The mockingbird next door", kind="audiobook", form="disc")

    def find(**params):
        page = shown(desk.get(reverse("desk_items"), {"q": "mockingbird", **params}))
        return set(re.findall(r'id="pick-([^"]+)"', page)), re.findall(r'id="narrow-(f\w+)"', page)

    assert find()[1] == ["flarge_print", "fdisc"]
    assert find(narrow="flarge_print") == ({str(large.public_id)}, ["flarge_print"])
    # Large print is offered even if all items found have this form. Other items may have no form yet.
    assert find(q="to kill")[1] == ["flarge_print"]


def test_item_search_offers_large_print_even_if_it_finds_too_many_items_to_count(item):
    marks, narrowing = frozenset(), Narrowing()
    assert choices(narrowing, marks, None, is_cut=True) == []
    ItemFactory(title="Other", form="large_print")
    [choice] = choices(narrowing, marks, None, is_cut=True)
    assert (choice.code, choice.label) == ("flarge_print", "Large print")
    assert choices(narrowing, marks, None) == []


def test_narrowing_the_item_search_works_without_javascript(desk, typed, item):
    ItemFactory(title="The mockingbird next door", kind="audiobook")
    answer = desk.post(RECORD, {**typed(), "action": "narrow-kaudiobook", "q": "mockingbird"})
    page = shown(desk.get(answer["Location"]))
    assert f"pick-{item.public_id}" not in page
    assert 'name="narrow" value="kaudiobook"' in page


def test_item_typed_by_hand_is_found_by_its_call_number_at_once(desk, typed):
    fields = rows({"title": "Knots for all", "kind": "book", "call_number": "623.88 KNO", "starred": "on"})
    desk.post(RECORD, typed(**fields))
    assert [item.title for item in find_items("623.88 kno")] == ["Knots for all"]


def test_picking_an_item_adds_a_row_and_removing_an_item_deletes_its_row(desk, item):
    other = ItemFactory(title="Other")
    fields = rows({"item": other.public_id, "reason": "was here", "starred": "on"})
    part = press(desk, f"pick-{item.public_id}", fields)
    assert [row.get("reason") for row in part.context["picker"].rows] == ["was here", None]
    assert part["HX-Replace-Url"] == f"/desk/record/{HelpSession.objects.get().public_id}/"
    assert "<html" not in shown(part)
    fields = rows({"item": other.public_id}, {"item": item.public_id, "reason": "stays"})
    part = press(desk, "remove-0", fields)
    assert [row["reason"] for row in part.context["picker"].rows] == ["stays"]


def test_picking_an_item_twice_lists_the_item_once(desk, item):
    fields = rows({"item": str(item.public_id)})
    assert len(press(desk, f"pick-{item.public_id}", fields).context["picker"].rows) == 1


@pytest.mark.parametrize("action", ["pick-nonsense", "remove-7", "remove-²", "dance"])
def test_unknown_button_of_the_item_picker_changes_nothing(desk, item, action):
    assert len(press(desk, action, rows({"item": str(item.public_id)})).context["picker"].rows) == 1


def test_item_added_by_hand_needs_a_title_and_a_valid_web_address(desk):
    part = press(
        desk, "add_item", {"new-kind": "web_page", "new-title": "", "new-url": "javascript:alert(1)"}
    )
    assert set(part.context["picker"].written.errors) == {"title", "url"}
    assert "javascript:alert(1)" in shown(part)


def test_item_typed_by_hand_but_not_yet_added_is_saved_with_the_visit(desk, typed):
    desk.post(RECORD, typed(**{"new-kind": "person", "new-title": "Ada, data librarian"}))
    assert Recommendation.objects.get().item.title == "Ada, data librarian"


def test_patron_can_choose_liked_it_as_the_verdict_on_a_novel_that_staff_typed(desk, typed):
    by_hand = {"new-kind": "book", "new-title": "Emma", "new-is_fiction": "on"}
    part = press(desk, "add_item", typed(question_type="known_item", **by_hand))
    [row] = part.context["picker"].rows
    fields = typed(question_type="known_item", **rows({**row, "reason": "the one you asked for"}))
    assert part.context["picker"].written["is_fiction"].value() is None
    desk.post(RECORD, {**fields, **{"new-kind": "book", "new-title": "Gardening"}})
    emma, gardening = Recommendation.objects.order_by("pk")
    assert (emma.item.title, emma.item.is_fiction) == ("Emma", True)
    assert (gardening.item.title, gardening.item.is_fiction) == ("Gardening", False)
    assert [str(choices_for(found)[0][1]) for found in (emma, gardening)] == ["liked it", "helped"]


def test_item_that_is_no_longer_in_the_catalog_is_a_form_error(desk, typed):
    answer = desk.post(RECORD, typed(**rows({"item": str(uuid.uuid4()), "reason": "stays"})))
    assert answer.status_code == 422
    assert "no longer in the catalog" in shown(answer)
    assert "stays" in shown(answer)


def test_picking_items_without_javascript_does_not_clear_the_record_form(desk, typed, item):
    fields = typed(note="stays")
    found = desk.post(RECORD, {**fields, "q": "mockingbird", "action": "find"}, follow=True)
    assert f"pick-{item.public_id}" in shown(found)
    picked = desk.post(
        RECORD, {**fields, "q": "mockingbird", "action": f"pick-{item.public_id}"}, follow=True
    )
    page = shown(picked)
    assert "stays" in page
    assert "Two novels about growing up." in page
    assert [row["item"] for row in picked.context["picker"].rows] == [str(item.public_id)]
    assert not HelpSession.objects.recorded().exists()
    by_hand = {"new-kind": "event", "new-title": "Thursday club", "action": "add_item"}
    desk.post(RECORD, {**fields, **rows({"item": item.public_id}), **by_hand})
    form = desk.get(f"/desk/record/{fields['token']}/")
    assert [item.title for _row, item in form.context["picker"].formset.shown()] == [
        "To Kill a Mockingbird",
        "Thursday club",
    ]


def test_autosaved_record_form_is_shown_after_a_reload(desk, typed, item):
    fields = typed(
        question="Half a quest", people="many", **rows({"item": item.public_id, "reason": "so far"})
    )
    answer = desk.post("/desk/record/autosave/", fields, headers={"HX-Request": "true"})
    assert answer["HX-Replace-Url"] == f"/desk/record/{fields['token']}/"
    desk.post(
        "/desk/record/autosave/", {**fields, "question": "Half a question"}, headers={"HX-Request": "true"}
    )
    assert HelpSession.objects.count() == 1
    page = desk.get(answer["HX-Replace-Url"])
    assert page.context["form"]["people"].value() == "many"
    assert page.context["form"]["question"].value() == "Half a question"
    assert "so far" in shown(page)
    assert not page.context["form"].errors


@pytest.mark.parametrize("action", ["later", "find", "save"])
def test_autosave_removes_nul_characters(desk, typed, action):
    hostile = typed(question="a\0b", mode="", action=action, **{"items-\0": "x", "new-title": "c\0d"}) | rows(
        {"title": "e\0f"}
    )
    desk.post(RECORD, hostile)
    desk.post("/desk/record/autosave/", hostile)
    assert "\\u0000" not in json.dumps(HelpSession.objects.get().unfinished_form.fields)


def test_autosave_warns_of_a_credit_card_number(desk, typed):
    assert "card number" in shown(desk.post("/desk/record/autosave/", typed(summary="4111 1111 1111 1111")))


def test_autosave_from_an_old_tab_does_not_change_the_recorded_visit(desk, typed):
    fields = typed()
    desk.post(RECORD, fields)
    answer = desk.post("/desk/record/autosave/", {**fields, "question": "older"})
    assert "already saved" in shown(answer)
    assert HelpSession.objects.get().question == "Books like Mockingbird?"


@pytest.mark.parametrize("text", ["\x00null", "a\u202eb", "x" * 30_000])
def test_autosave_accepts_any_text(desk, typed, text):
    assert desk.post("/desk/record/autosave/", typed(question=text)).status_code == 200


def test_finish_later_button_saves_even_an_empty_record_form(desk):
    desk.post(RECORD, {"action": "later"})
    draft = HelpSession.objects.unfinished().get()
    assert "No text yet" in shown(desk.get(RECORD))
    assert "No text yet" in shown(desk.get("/desk/"))
    assert desk.get(f"/desk/record/{draft.public_id}/").status_code == 200


def test_unfinished_visit_is_recorded_when_the_form_is_saved(desk, typed):
    fields = typed(action="later")
    desk.post(RECORD, fields)
    desk.post(RECORD, {**fields, "action": "save"})
    session = HelpSession.objects.get()
    assert (session.status, str(session.public_id)) == ("recorded", fields["token"])
    assert "Your unfinished help sessions" not in shown(desk.get(RECORD))


def test_discarding_an_unfinished_visit_requires_confirmation(desk, typed):
    fields = typed(action="later")
    desk.post(RECORD, fields)
    address = f"/desk/record/{fields['token']}/discard/"
    assert "Books like Mockingbird?" in shown(desk.get(address))
    assert HelpSession.objects.count() == 1
    desk.post(address)
    assert HelpSession.objects.count() == 0
    assert desk.post(address).status_code == 404


def test_colleagues_unfinished_visit_is_404(client, sign_in, elsewhere, desk, typed):
    fields = typed(action="later")
    desk.post(RECORD, fields)
    sign_in(client, elsewhere)
    assert client.get(f"/desk/record/{fields['token']}/").status_code == 404
    assert client.post(RECORD, fields).status_code == 404
    assert client.post("/desk/record/autosave/", {**fields, "question": "mine now"}).status_code == 404
    assert HelpSession.objects.get().unfinished_form.fields["question"] == "Books like Mockingbird?"


def test_code_card_whose_number_staff_type_in_the_record_form_opens_the_visit(desk, typed):
    card = code_for(None)
    answer = desk.post(RECORD, typed(card=f"{card[:4]} {card[4:]}"))
    session = HelpSession.objects.get()
    assert session.claim_codes.get().state == ClaimCode.State.LIVE
    assert "A slip or code card already opens this help session." in shown(desk.get(answer.url))


def test_code_card_is_attached_to_an_unfinished_visit(desk, typed):
    fields = typed(action="later", card=code_for(None), people="")
    desk.post(RECORD, fields)
    draft = HelpSession.objects.unfinished().get()
    assert draft.claim_codes.count() == 1
    assert "A code card is attached" in shown(desk.get(f"/desk/record/{draft.public_id}/"))


@pytest.mark.parametrize("action", ["save", "later"])
def test_unknown_code_card_is_refused_and_the_typed_visit_is_shown_again(desk, typed, action):
    answer = desk.post(RECORD, typed(card="1" * 13, action=action))
    assert answer.status_code == 422
    assert "No code card has this code" in shown(answer)
    assert "Two novels about growing up." in shown(answer)
    assert not HelpSession.objects.recorded().exists()


def test_tally_is_counted_and_can_be_undone(desk, branch):
    part = desk.post("/desk/tally/", headers={"HX-Request": "true"})
    counted = HelpSession.objects.get()
    assert (counted.status, counted.question_type, counted.branch) == ("tally", "directional", branch)
    assert "1 short contact by you today" in shown(part)
    part = desk.post(f"/desk/tally/{counted.public_id}/undo/", headers={"HX-Request": "true"})
    assert "0 short contacts by you today" in shown(part)
    assert not HelpSession.objects.exists()


def test_tally_without_javascript_redirects_to_the_queue_with_an_undo_button(desk):
    page = desk.post("/desk/tally/", {"from": "queue"}, follow=True)
    assert page.redirect_chain[-1][0] == "/desk/"
    assert f"/desk/tally/{HelpSession.objects.get().public_id}/undo/" in shown(page)


def test_quiet_visit_needs_no_question(desk, typed):
    desk.post(RECORD, typed(quiet="on", question="", summary=""))
    assert HelpSession.objects.get().quiet


def test_staff_note_is_stored_separately_from_the_visit(desk, typed):
    desk.post(RECORD, typed(note="STAFF ONLY"))
    assert SessionNote.objects.get().body == "STAFF ONLY"
    assert "STAFF ONLY" not in str(HelpSession.objects.values().get())


@pytest.mark.parametrize("count", [1, 20])
def test_record_form_runs_at_most_15_queries_for_1_and_20_items(
    desk, typed, branch, count, django_assert_max_num_queries
):
    chosen = [{"item": ItemFactory(branch=branch, call_number=str(n)).public_id} for n in range(count)]
    fields = typed(action="later", **rows(*chosen))
    desk.post(RECORD, fields)
    with django_assert_max_num_queries(15):
        desk.get(f"/desk/record/{fields['token']}/")


def test_finish_later_chip_lists_and_counts_unfinished_visits(desk, typed):
    for question in ("First half", "Second half"):
        desk.post(RECORD, typed(action="later", question=question))
    for page in (desk.get(RECORD), desk.get("/desk/")):
        chip = re.search(r'<details class="chip" id="tray">.*?</details>', shown(page), re.DOTALL)
        assert " ".join(re.sub("<[^>]+>", " ", chip[0]).split()).startswith(
            "Finish later 2 unfinished help sessions"
        )
        for words in ("First half", "Second half"):
            assert shown(page).count(words) == 1
            assert words in chip[0]


def test_finish_later_chip_is_hidden_if_all_visits_are_finished(desk):
    assert 'id="tray"' not in shown(desk.get(RECORD))


def test_button_and_chip_and_tab_for_unfinished_visits_have_the_same_label(desk, typed):
    address = reverse("desk_sessions") + "?show=unfinished"
    empty = desk.get(address)
    assert "Help sessions that you save with “Finish later” appear here." in text(empty)
    desk.post(RECORD, typed(action="later", question="First half"))
    record = text(desk.get(RECORD))
    assert (record.count("Finish later"), "Save for later" in record) == (2, False)
    listed = desk.get(address)
    tab = re.search(
        r'<a class="choice"[^>]*show=unfinished"[^>]*>(.*?)</a>', listed.content.decode(), re.DOTALL
    )
    assert tab[1].strip() == "Finish later"
    # The tag of the row says that the visit is unfinished.
    assert text(listed).count("Unfinished") == 1


def test_form_for_adding_an_item_by_hand_stays_open_and_is_empty_after_an_item_is_added(desk):
    part = press(desk, "add_item", {"new-kind": "person", "new-title": "Ada, data librarian"})
    picker = part.context["picker"]
    assert [row["title"] for row in picker.rows] == ["Ada, data librarian"]
    assert '<details class="by-hand" open>' in shown(part)
    assert {name: picker.written[name].value() or "" for name in ("kind", "title", "url")} == {
        "kind": "person",
        "title": "",
        "url": "",
    }


def test_form_for_adding_an_item_by_hand_stays_open_without_javascript(desk, typed):
    by_hand = {"new-kind": "event", "new-title": "Thursday club", "action": "add_item"}
    page = desk.post(RECORD, typed(**by_hand), follow=True)
    assert '<details class="by-hand" open>' in shown(page)
    assert page.context["picker"].written["kind"].value() == "event"


def test_item_search_without_results_offers_to_add_the_typed_words_as_an_item(desk, typed):
    page = desk.get("/desk/items/", {"q": "Thursday club"}, headers={"HX-Request": "true"})
    assert 'value="by_hand"' in shown(page)
    fields = typed(q="Thursday club", summary="Only this")
    desk.post(RECORD, {**fields, "action": "find"})
    desk.post(RECORD, {**fields, "action": "find"})
    desk.post(RECORD, {**fields, "action": "save"})
    assert not Recommendation.objects.exists()


def test_add_by_hand_button_copies_the_search_words_into_the_title(desk):
    part = press(desk, "by_hand", {"q": "Thursday club"})
    picker = part.context["picker"]
    assert (picker.query, picker.written["title"].value(), picker.rows) == ("", "Thursday club", [])
    assert '<details class="by-hand" open>' in shown(part)


def test_add_by_hand_button_does_not_replace_a_typed_title(desk):
    part = press(desk, "by_hand", {"q": "other words", "new-title": "Thursday club", "new-kind": "event"})
    written = part.context["picker"].written
    assert (written["title"].value(), written["kind"].value()) == ("Thursday club", "event")


def test_record_form_explains_the_terms_of_the_statistics(desk, staff, branch):
    page = shown(desk.get(RECORD))
    for words in (
        "Directional: where something is, opening hours, how to print.",
        "How much effort the question took, on the Reference Effort Assessment Data scale.",
        "No READ level",
        "(such as “Where are the restrooms?”)",
    ):
        assert words in page, words
    session = HelpSessionFactory(staff=staff, branch=branch)
    page = shown(desk.get(f"/desk/sessions/{session.public_id}/"))
    assert re.search(r"<dt>READ level</dt><dd>not recorded</dd>", page)


@pytest.fixture
def asking(library):
    """Return the library, which asks patrons how their visits turned out."""
    library.check_ins = True
    library.save()
    return library


class TestCheckIn:
    """Tests of the line in the record form that says when the library will ask the patron."""

    def suggested(self, desk, fields):
        return text(desk.post("/desk/record/autosave/", fields, headers={"HX-Request": "true"}))

    def test_autosave_response_suggests_a_day_and_a_text_for_the_check_in(self, desk, asking, typed):
        page = self.suggested(desk, typed(question="Tax forms", question_type="technology"))
        assert "A check-in will be planned for Sat, Mar 7 : How did it turn out?" in unescape(page)

    def test_line_about_the_check_in_shows_the_day_that_staff_chose(self, desk, asking, typed):
        assert "planned for Sat, Mar 14" in unescape(self.suggested(desk, typed(ask_on="2026-03-14")))

    @pytest.mark.parametrize("switch", ["quiet", "with_child"])
    def test_line_about_the_check_in_says_that_quiet_and_paper_only_visits_get_no_check_in(
        self, desk, asking, typed, switch
    ):
        asking.children = "paper"
        asking.save()
        page = self.suggested(desk, typed(**{switch: "on"}))
        assert "Nobody will be asked about this visit." in page
        desk.post(RECORD, typed(**{switch: "on"}, ask_on="2026-03-14"))
        assert not CheckIn.objects.exists()

    def test_line_about_the_check_in_says_that_nobody_is_asked_about_a_directional_question(
        self, desk, asking, typed
    ):
        page = unescape(self.suggested(desk, typed(question_type="directional")))
        assert "Under the library's rules, no check-in is planned for this visit." in page
        desk.post(RECORD, typed(question_type="directional"))
        assert not CheckIn.objects.exists()

    def test_message_after_saving_says_that_a_check_in_is_planned(self, desk, asking, typed):
        page = desk.post(RECORD, typed(question_type="technology"), follow=True)
        check_in = CheckIn.objects.get()
        assert (check_in.due_on, check_in.status) == (datetime.date(2026, 3, 7), "planned")
        assert "The check-in is planned for Sat, Mar 7 :" in unescape(text(page))
        assert reverse("skip_check_in", args=[check_in.public_id]) in shown(page)

    def test_staff_can_choose_the_day_and_the_reason_of_a_check_in_while_recording(self, desk, asking, typed):
        desk.post(RECORD, typed(ask_on="2026-03-14", ask_reason="the essay is due"))
        check_in = CheckIn.objects.get()
        assert (check_in.due_on, check_in.set_by) == (datetime.date(2026, 3, 14), "staff")
        assert check_in.reason == "the essay is due"

    def test_check_in_is_skipped_if_staff_check_the_box_not_to_ask(self, desk, asking, typed):
        desk.post(RECORD, typed(no_check_in="on"))
        assert CheckIn.objects.get().status == "skipped"

    def test_day_field_of_an_empty_form_contains_no_date(self, desk, staff, sign_in, asking, typed):
        # The HTML of an empty form is cached, so it must not contain a date.
        field = '<input type="date" name="ask_on" id="id_ask_on">'
        assert field in desk.get(RECORD).content.decode()
        with time_machine.travel(timezone.now() + datetime.timedelta(days=1), tick=False):
            sign_in(desk, staff)
            assert field in desk.get(RECORD).content.decode()
            desk.post(RECORD, typed(ask_on="2026-03-05"))
        assert CheckIn.objects.get().due_on == datetime.date(2026, 3, 5)

    @pytest.mark.parametrize("ask_on", ["2026-03-03", "2026-12-01", "soon"])
    def test_invalid_check_in_day_is_a_form_error_and_the_typed_values_are_shown_again(
        self, desk, asking, typed, ask_on
    ):
        page = desk.post(RECORD, typed(ask_on=ask_on, ask_reason="the essay is due"))
        assert page.status_code == 422
        assert ask_on in shown(page)
        assert "the essay is due" in shown(page)
        assert not HelpSession.objects.recorded().exists()

    def test_unfinished_form_stores_the_day_and_the_reason_of_the_check_in(self, desk, asking, typed):
        fields = typed(ask_on="2026-03-14", ask_reason="the essay is due", no_check_in="on")
        desk.post("/desk/record/autosave/", fields)
        form = desk.get(f"/desk/record/{fields['token']}/").context["form"]
        names = ("ask_on", "ask_reason", "no_check_in")
        assert [str(form[name].value()) for name in names] == ["2026-03-14", "the essay is due", "on"]

    def test_form_that_counts_a_contact_has_no_line_about_a_check_in(self, desk, asking, branch, typed):
        conversation = ConversationFactory(branch=branch)
        page = desk.get(f"{RECORD}?conversation={conversation.public_id}")
        assert 'id="check-in"' not in shown(page)
        desk.post(RECORD, typed(conversation=conversation.public_id, ask_on="2026-03-14"))
        assert conversation.__class__.objects.get().logged_as
        assert not CheckIn.objects.exists()

    def test_record_form_has_no_line_about_a_check_in_while_check_ins_are_off(self, desk, typed):
        assert 'id="check-in"' not in shown(desk.get(RECORD))
        desk.post(RECORD, typed(ask_on="2026-03-14"))
        assert not CheckIn.objects.exists()

    def test_new_record_form_does_not_show_the_check_in_of_an_unfinished_form(self, desk, asking, typed):
        desk.get(RECORD)
        fields = typed(ask_on="2026-03-14", ask_reason="before the interview")
        desk.post("/desk/record/autosave/", fields)
        unfinished = f"/desk/record/{fields['token']}/"
        for _ in range(2):
            assert "before the interview" in shown(desk.get(unfinished))
            page = shown(desk.get(RECORD))
            assert 'name="ask_on"' in page
            assert "2026-03-14" not in page
            assert "before the interview" not in page

    def test_record_form_runs_no_additional_query_for_the_line_about_the_check_in(self, desk, library):
        counts = []
        for has_check_ins in (False, True):
            library.check_ins = has_check_ins
            library.save()
            desk.get(RECORD)
            with CaptureQueriesContext(connection) as queries:
                desk.get(RECORD)
            counts.append(len(queries))
        assert counts[0] == counts[1]

    def test_correction_form_has_no_line_about_a_check_in(self, desk, staff, branch, asking):
        session = HelpSessionFactory(staff=staff, branch=branch)
        assert 'id="check-in"' not in shown(desk.get(f"/desk/sessions/{session.public_id}/correct/"))


def test_item_search_offers_narrowing_to_the_branch_only_if_this_would_leave_out_items(desk, branch):
    ItemFactory(title="Rivers", branch=branch, call_number="551")

    def offers_branch(**fields):
        return "narrow-here" in shown(desk.get("/desk/items/", fields, headers={"HX-Request": "true"}))

    assert not offers_branch(q="rivers")
    assert not offers_branch(q="nothing like it")
    assert offers_branch(q="rivers", narrow="here")
    ItemFactory(title="Rivers of the north")
    page = shown(desk.get("/desk/items/", {"q": "rivers"}, headers={"HX-Request": "true"}))
    assert f"At {branch.name}" in page


def test_search_for_the_typed_word_links_back_to_the_search_for_the_corrected_word(desk):
    garden = ItemFactory(title="Garden")
    query = {"q": "gardne", "as_typed": "1"}
    page = shown(desk.get("/desk/items/", query, headers={"HX-Request": "true"}))
    assert f"pick-{garden.public_id}" not in page
    assert "Show results for “garden”" in page
    page = shown(desk.get("/desk/items/", {"q": "zzqqxx", "as_typed": "1"}, headers={"HX-Request": "true"}))
    assert "Show results for" not in page
