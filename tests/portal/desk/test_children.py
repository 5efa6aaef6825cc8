"""Test visits with a child.

The tests cover the switch in the record form, the printed slip, the records of children, and the library's
setting for children.
"""

import html
import re

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEvent, User
from portal.helpsessions.models import ClaimCode, HelpSession
from tests.factories import (
    ChildFactory,
    HelpSessionFactory,
    SharedSessionFactory,
    UserFactory,
    code_for,
    recommend_in,
)
from tests.portal.pages import text

pytestmark = pytest.mark.usefixtures("at_noon")
RECORD, NEW, CHOICE = reverse("record"), reverse("add_patron"), reverse("children_settings")


@pytest.fixture
def choose(library):
    def choose(children):
        library.children = children
        library.save()

    return choose


@pytest.mark.parametrize("mode", ["paper", "shared", "own"])
def test_visit_recorded_with_the_child_switch_gets_the_librarys_setting_for_children(
    desk, choose, typed, mode
):
    choose(mode)
    desk.post(RECORD, typed(with_child="on"))
    assert HelpSession.objects.get().with_child == mode


def test_child_switch_is_off_for_every_new_visit(desk, choose, typed):
    choose("shared")
    desk.post(RECORD, typed(with_child="on"))
    form = desk.get(RECORD).context["form"]
    assert not form["with_child"].value()
    desk.post(RECORD, typed())
    assert HelpSession.objects.latest("pk").with_child == ""


def test_child_switch_comes_after_the_quiet_switch_and_is_autosaved(desk, choose, typed):
    choose("shared")
    page = desk.get(RECORD).content.decode()
    assert re.findall(r'name="(quiet|with_child|question)"', page) == ["quiet", "with_child", "question"]
    desk.post(reverse("autosave"), typed(with_child="on"))
    draft = HelpSession.objects.get()
    assert (draft.status, draft.with_child) == ("unfinished", "")
    assert re.search(
        r'name="with_child"[^>]* checked',
        desk.get(reverse("finish_session", args=[draft.public_id])).content.decode(),
    )


def test_childs_visit_uses_the_librarys_setting_at_the_time_of_recording(desk, choose, typed):
    choose("shared")
    fields = typed(with_child="on")
    desk.post(reverse("autosave"), fields)
    choose("paper")
    desk.post(RECORD, fields)
    assert HelpSession.objects.get().with_child == "paper"


def test_paper_only_slip_shows_the_whole_visit_but_no_code(desk, choose, typed, item):
    choose("paper")
    chosen = {
        "items-TOTAL_FORMS": "1",
        "items-INITIAL_FORMS": "0",
        "items-0-item": str(item.public_id),
        "items-0-reason": "quiet courage",
    }
    answer = desk.post(RECORD, typed(with_child="on", **chosen))
    visit = HelpSession.objects.get()
    assert visit.handed_over_at is not None
    assert AuditEvent.objects.filter(action="handed_over_on_paper").count() == 1
    slip = desk.get(answer.url)
    for paper in ("receipt", "a4", "letter"):
        printed = desk.get(f"{answer.url}?paper={paper}")
        for words in (visit.title, "Two novels about growing up.", item.title, "quiet courage", "FIC LEE"):
            assert words in text(printed)
        assert '<svg class="qr"' not in printed.content.decode()
        assert 'class="code"' not in printed.content.decode()
    for element in ('class="code"', 'id="mail"', 'id="new-code"', 'id="link"', 'id="keep-for"'):
        assert element not in slip.content.decode()
        assert element not in desk.get(reverse("desk_session", args=[visit.public_id])).content.decode()
    assert not ClaimCode.objects.exists()


def test_paper_only_visit_cannot_be_handed_over_digitally(desk, choose, branch, staff, patron):
    visit = HelpSessionFactory(branch=branch, staff=staff, with_child="paper")
    HelpSessionFactory(branch=branch, staff=staff, patron=patron)
    desk.post(reverse("hand_over", args=[visit.public_id]), {"address": "parent@example.org"})
    desk.post(reverse("attach_code_card", args=[visit.public_id]), {"code": code_for(None)})
    desk.post(reverse("keep_for_patron", args=[patron.public_id]), {"session": str(visit.public_id)})
    visit.refresh_from_db()
    assert (visit.patron, visit.claim_codes.count(), visit.handed_over_at) == (None, 0, None)


def test_paper_only_visit_has_no_working_code_card(desk, choose, typed):
    choose("paper")
    card, fields = code_for(None), typed(with_child="on")
    answer = desk.post(RECORD, {**fields, "card": card})
    assert "paper only" in text(answer)
    desk.post(RECORD, {**fields, "card": card, "with_child": "", "action": "later"})
    assert ClaimCode.objects.get().state == "live"
    desk.post(RECORD, fields)
    assert ClaimCode.objects.get().state == "revoked"


def test_quiet_visit_with_a_child_gets_a_code_even_in_a_paper_only_library(desk, choose, typed):
    choose("paper")
    answer = desk.post(RECORD, typed(with_child="on", quiet="on", question="Zqxsecret", summary="Zqxsecret"))
    printed = desk.get(f"{answer.url}?paper=receipt")
    assert 'class="code"' in printed.content.decode()
    assert "Zqxsecret" not in text(printed)


# Tests of the records of children.


def test_childs_record_accepts_only_a_first_name_and_no_email_address(desk, choose):
    choose("own")
    wrong = desk.post(
        NEW, {"name": "Mia Doe", "email": "mia@example.org", "language": "en", "is_child": "on"}
    )
    assert set(wrong.context["form"].errors) == {"name", "email"}
    desk.post(NEW, {"name": "Mia", "language": "en", "is_child": "on"})
    child = User.objects.get(name="Mia")
    assert (child.is_child, child.email) == (True, None)
    assert "a child's record" in html.unescape(
        text(desk.get(reverse("patron_record", args=[child.public_id])))
    )


def test_childs_record_cannot_be_created_in_a_paper_only_library(desk, choose):
    choose("paper")
    assert 'name="is_child"' not in desk.get(NEW).content.decode()
    desk.post(NEW, {"name": "Mia Doe", "language": "en", "is_child": "on"})
    assert not User.objects.get(name="Mia Doe").is_child


def test_patron_sees_when_staff_marked_or_unmarked_their_record_as_a_childs_record(
    desk, branch, staff, sign_in
):
    person = UserFactory(name="Jane Doe")
    HelpSessionFactory(branch=branch, staff=staff, patron=person)
    change = reverse("change_childs_record", args=[person.public_id])
    desk.post(change, {"is_child": "yes"})
    person.refresh_from_db()
    assert (person.name, person.is_child) == ("Jane", True)
    desk.post(change, {"is_child": "no"})
    person.refresh_from_db()
    assert (person.name, person.is_child) == ("Jane", False)
    looked = text(sign_in(Client(), person).get(reverse("who_looked")))
    assert "marked your account as a child's account" in looked
    assert "no longer a child's account" in looked


def test_marking_a_record_as_a_childs_record_requires_access_to_the_record(desk):
    stranger = UserFactory(name="Jane Doe")
    assert (
        desk.post(reverse("change_childs_record", args=[stranger.public_id]), {"is_child": "yes"}).status_code
        == 404
    )
    stranger.refresh_from_db()
    assert not stranger.is_child


@pytest.mark.parametrize(("who", "part"), [(ChildFactory, "patron"), (UserFactory, "shared_with")])
def test_shared_visit_can_be_added_to_the_account_of_the_child_or_the_adult(desk, branch, staff, who, part):
    person = who()
    HelpSessionFactory(branch=branch, staff=staff, patron=person)
    visit = SharedSessionFactory(branch=branch, staff=staff)
    record = reverse("patron_record", args=[person.public_id])
    words = "You can stop sharing the visit" if part == "patron" else "see the child"
    assert words in text(desk.get(record, {"session": str(visit.public_id)}))
    desk.post(reverse("keep_for_patron", args=[person.public_id]), {"session": str(visit.public_id)})
    visit.refresh_from_db()
    assert getattr(visit, part) == person


# Tests of the library's setting for children.


def test_childrens_settings_page_explains_each_option_and_saves_the_selection(
    client, coordinator, sign_in, library
):
    sign_in(client, coordinator)
    page = html.unescape(text(client.get(CHOICE)))
    for words in ("Paper only: nothing digital", "Shared with an adult:", "The child's own:"):
        assert words in page
    client.post(CHOICE, {"children": "shared", "childrens_groups": "Juvenile\nTeen"})
    library.refresh_from_db()
    assert (library.children, library.childrens_groups) == ("shared", "Juvenile\nTeen")
    assert "the child and one adult can add the visit to their accounts" in text(
        client.get(reverse("settings"))
    )
    assert AuditEvent.objects.filter(action="changed_library", by=coordinator).count() == 1


def test_children_can_share_lists_only_after_a_coordinator_allows_sharing(
    client, coordinator, sign_in, library
):
    assert not library.children_may_share_lists
    sign_in(client, coordinator)
    assert "A child's link never shows a name." in html.unescape(text(client.get(CHOICE)))
    for sent, saved in (({"children_may_share_lists": "on"}, True), ({}, False)):
        client.post(CHOICE, {"children": "own"} | sent)
        library.refresh_from_db()
        assert library.children_may_share_lists is saved


def test_paper_only_is_the_default_setting_for_children(library):
    assert library.children == "paper"


def test_paper_only_slip_lists_every_item_with_its_reason(desk, branch, staff):
    visit = HelpSessionFactory(branch=branch, staff=staff, with_child="paper")
    recommend_in(visit, 3)
    assert (
        text(desk.get(reverse("slip", args=[visit.public_id]))).count(
            "because you asked for something a beginner can follow"
        )
        == 3
    )
