"""Test the desk's pages that correct a help session, remove a wrong patron, and delete a help session."""

import datetime
import re

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEvent, StaffRole
from portal.conversations.merging import merge
from portal.helpsessions.models import HelpSession
from portal.notifications.models import Notification
from portal.privacy import holds, unfinished_corrections
from portal.privacy.models import Correction, UnfinishedCorrection
from tests.factories import (
    BranchFactory,
    CheckInFactory,
    ChildFactory,
    ConversationFactory,
    HelpSessionFactory,
    MessageFactory,
    SessionNoteFactory,
    SharedSessionFactory,
    StaffFactory,
    TopicFactory,
    UserFactory,
    code_for,
    recommend_in,
)
from tests.portal.pages import text

pytestmark = pytest.mark.usefixtures("at_noon")


@pytest.fixture
def visit(branch, staff):
    return HelpSessionFactory(
        branch=branch,
        staff=staff,
        question="Old question",
        summary="Old summary",
        happened_on=datetime.date(2026, 3, 3),
        hour=9,
        handed_over_at=timezone.now(),
    )


def url(visit, name="correct_session"):
    return reverse(name, args=[visit.public_id])


def filled_in(response, **changes):
    """Return the fields that the browser posts from the correction form, with these changes."""
    form, picker = response.context["form"], response.context["picker"]
    data = {
        "action": "save",
        "correcting": str(response.context["help_session"].public_id),
        **picker.fields(),
    }
    for field in form:
        value = field.value()
        value = value.isoformat() if hasattr(value, "isoformat") else value
        if value is not None and value is not False and value != "":
            data[field.html_name] = "on" if value is True else str(value)
    return {name: value for name, value in {**data, **changes}.items() if value is not None}


def correct(browser, visit, **changes):
    return browser.post(url(visit), filled_in(browser.get(url(visit)), **changes))


# Tests of who may correct a visit.


@pytest.mark.parametrize("name", ["correct_session", "remove_patron", "delete_session"])
def test_only_the_helper_and_coordinators_of_the_branch_can_correct_a_visit(
    visit, staff, coordinator, branch, elsewhere, sign_in, name, library
):
    far = StaffFactory(branch=BranchFactory(), branch__role="coordinator")
    here_too = StaffFactory(branch=branch)
    StaffRole.objects.create(user=here_too, branch=BranchFactory(), role="coordinator")
    HelpSession.objects.update(patron=UserFactory(), kept_at=timezone.now())
    opened = {
        who: sign_in(Client(), person).get(url(visit, name)).status_code
        for who, person in {
            "recorder": staff,
            "coordinator": coordinator,
            "colleague": StaffFactory(branch=branch),
            "coordinator of another branch": here_too,
            "coordinator elsewhere": far,
            "staff elsewhere": elsewhere,
        }.items()
    }
    assert opened == {
        "recorder": 200,
        "coordinator": 200,
        "colleague": 404,
        "coordinator of another branch": 404,
        "coordinator elsewhere": 404,
        "staff elsewhere": 404,
    }


@pytest.mark.parametrize("name", ["desk_session", "slip"])
def test_visit_page_and_slip_offer_a_correction_only_to_staff_who_may_correct_the_visit(
    visit, desk, branch, sign_in, name
):
    assert 'data-key="c"' in desk.get(url(visit, name)).content.decode()
    colleague = sign_in(Client(), StaffFactory(branch=branch)).get(url(visit, name))
    assert url(visit) not in colleague.content.decode()


@pytest.mark.parametrize("status", ["tally", "unfinished", "replaced"])
def test_tallies_and_unfinished_visits_cannot_be_corrected(desk, visit, status):
    HelpSession.objects.update(status=status)
    for name in ("correct_session", "remove_patron", "delete_session"):
        assert desk.get(url(visit, name)).status_code == 404


# Tests of the correction form.


def test_saving_the_unchanged_correction_form_changes_nothing(desk, visit, branch):
    SessionNoteFactory(help_session=visit, body="A note")
    recommend_in(visit, 2)
    HelpSession.objects.update(
        topic=TopicFactory(retired_at=timezone.now()), read_level=4, minutes=12, people=2, language="es"
    )
    columns = [field.name for field in HelpSession._meta.concrete_fields]
    before = HelpSession.objects.values(*columns).get()
    page = desk.get(url(visit))
    for words in ("Old question", "Old summary", "A note", "because you asked"):
        assert words in page.content.decode()
    answer = desk.post(url(visit), filled_in(page), follow=True)
    assert "Nothing was changed." in text(answer)
    assert HelpSession.objects.values(*columns).get() == before
    assert not Correction.objects.exists()


def test_visit_page_shows_the_new_text_and_the_history_but_not_the_earlier_text(desk, visit, staff):
    answer = correct(desk, visit, question="New question", minutes="7")
    assert answer.url == url(visit, "desk_session")
    page = desk.get(answer.url)
    assert "New question" in text(page)
    assert "Old question" not in text(page)
    assert re.search(r"Question, minutes\s+· today 12:30 p\.m\.\s+· Rosa Lindqvist", text(page))


def test_access_log_records_that_staff_opened_the_correction_form(desk, visit, patron):
    HelpSession.objects.update(patron=patron)
    desk.get(url(visit))
    assert (
        AuditEvent.objects.filter(action="opened", patron=patron, subject=str(visit.public_id)).count() == 1
    )


def test_invalid_correction_is_not_saved_but_is_shown_again_as_typed(desk, visit):
    answer = correct(desk, visit, question="New question", people="0", happened_on="2026-03-05")
    assert answer.status_code == 422
    assert set(answer.context["form"].errors) == {"people", "happened_on"}
    assert "New question" in answer.content.decode()
    assert HelpSession.objects.get().question == "Old question"


def test_correction_with_a_social_security_or_credit_card_number_is_saved_after_a_warning(desk, visit):
    answer = correct(desk, visit, summary="Her number is 219-09-9999")
    assert answer.status_code == 422
    assert 'name="warned"' in answer.content.decode()
    assert correct(desk, visit, summary="Her number is 219-09-9999", warned="1").status_code == 302


def test_helper_who_left_the_branch_can_correct_a_visit_without_changing_its_branch(desk, visit):
    other = BranchFactory()
    HelpSession.objects.update(branch=other)
    assert correct(desk, visit, question="New").status_code == 302
    assert (HelpSession.objects.get().branch, HelpSession.objects.get().question) == (other, "New")


def test_staff_cannot_move_a_visit_to_a_branch_where_they_do_not_work(desk, visit):
    answer = correct(desk, visit, branch=str(BranchFactory().pk))
    assert set(answer.context["form"].errors) == {"branch"}


def test_correction_does_not_apply_a_new_childrens_setting_to_a_childs_visit(desk, visit, library):
    HelpSession.objects.update(with_child="own")
    library.children = "paper"
    library.save()
    correct(desk, visit, question="New")
    assert HelpSession.objects.get().with_child == "own"


def test_visit_in_an_account_cannot_become_paper_only(desk, visit, library, patron):
    HelpSession.objects.update(patron=patron, kept_at=timezone.now())
    library.children = "paper"
    library.save()
    answer = correct(desk, visit, with_child="on", question="New")
    assert answer.status_code == 422
    assert "Remove the patron" in str(answer.context["form"].errors["with_child"])
    assert "New" in answer.content.decode()


@pytest.mark.parametrize("name", ["correct_session", "remove_patron"])
def test_correction_page_warns_that_the_patron_loses_messages_of_merged_conversations(
    desk, visit, staff, patron, branch, name
):
    HelpSession.objects.update(patron=patron, kept_at=timezone.now())
    own = ConversationFactory(patron=patron, branch=branch)
    for conversation in own, ConversationFactory(patron=patron, branch=branch, help_session=visit):
        MessageFactory(conversation=conversation, author=patron, side="patron")
    assert 'id="merged"' not in desk.get(url(visit, name)).content.decode()
    merge(conversation, into=own, by=staff, at=timezone.now())
    assert "All 2 messages" in text(desk.get(url(visit, name)))


# Tests of text in the correction form that is not saved yet.


def typed(browser, visit, **changes):
    """Open the correction form, and autosave it as while staff type. Return the posted fields."""
    fields = filled_in(browser.get(url(visit)), **changes)
    assert browser.post(url(visit, "correction_draft"), fields).status_code == 200
    return fields


def test_correction_form_shows_what_staff_typed_but_have_not_saved(desk, visit, staff, item):
    recommend_in(visit, item=item)
    typed(desk, visit, question="New question", minutes="7", **{"items-0-reason": "new reason"})
    visit.refresh_from_db()
    assert (visit.question, visit.minutes) == ("Old question", None)
    page = desk.get(url(visit))
    assert 'id="unfinished"' in page.content.decode()
    assert page.context["form"]["question"].value() == "New question"
    assert page.context["form"]["summary"].value() == "Old summary"
    assert page.context["picker"].rows[0]["reason"] == "new reason"
    assert desk.post(url(visit), filled_in(page)).status_code == 302
    visit.refresh_from_db()
    assert (visit.question, visit.minutes, visit.summary) == ("New question", 7, "Old summary")
    assert visit.recommendation_links.get().recommendation.reason == "new reason"
    assert not UnfinishedCorrection.objects.exists()
    assert 'id="unfinished"' not in desk.get(url(visit)).content.decode()


def test_autosave_of_a_correction_stores_only_the_changed_fields(desk, visit, staff):
    SessionNoteFactory(help_session=visit, body="A note")
    typed(desk, visit, question="New\x00 question")
    row = UnfinishedCorrection.objects.get()
    assert (row.by, row.version, row.fields) == (staff, 0, {"question": "New question"})


def test_unsaved_correction_is_deleted_if_staff_discard_it_or_type_the_old_text_again(desk, visit):
    typed(desk, visit, question="New question")
    assert desk.post(url(visit), {"action": "discard"}).url == url(visit, "desk_session")
    assert desk.get(url(visit)).context["form"]["question"].value() == "Old question"
    typed(desk, visit, question="New question")
    typed(desk, visit, question="Old question")
    assert not UnfinishedCorrection.objects.exists()
    assert not Correction.objects.exists()


def test_autosave_after_a_correction_was_saved_stores_nothing(desk, visit):
    fields = typed(desk, visit, question="New question")
    desk.post(url(visit), fields)
    desk.post(url(visit, "correction_draft"), fields)
    assert not UnfinishedCorrection.objects.exists()


def test_staff_see_that_a_colleague_is_correcting_a_visit_but_not_the_typed_text(
    desk, visit, coordinator, sign_in
):
    boss = sign_in(Client(), coordinator)
    typed(boss, visit, question="Typed by the boss")
    fields = filled_in(desk.get(url(visit)), minutes="7")
    for page in desk.get(url(visit)), desk.post(url(visit, "correction_draft"), fields):
        assert f"{coordinator.name} is also correcting this help session" in text(page)
        assert "Typed by the boss" not in page.content.decode()
    assert "is correcting" not in text(sign_in(Client(), coordinator).get(url(visit, "desk_session")))
    assert boss.get(url(visit)).context["form"]["question"].value() == "Typed by the boss"


def test_unsaved_correction_is_combined_with_a_colleagues_saved_correction(desk, visit, coordinator, sign_in):
    typed(desk, visit, question="Mine", minutes="7")
    correct(sign_in(Client(), coordinator), visit, question="Theirs", people="3")
    page = desk.get(url(visit))
    form = page.context["form"]
    assert [form[name].value() for name in ("question", "minutes", "people")] == ["Mine", "7", "3"]
    assert f"{coordinator.name} corrected this help session after you opened this page" in text(page)
    assert [value for _label, value in page.context["clashes"]] == ["Theirs"]
    assert desk.post(url(visit), filled_in(page)).status_code == 302
    visit.refresh_from_db()
    assert (visit.question, visit.minutes, visit.people) == ("Mine", 7, 3)


def test_autosave_is_404_for_staff_who_may_not_correct_the_visit(visit, branch, sign_in):
    colleague = sign_in(Client(), StaffFactory(branch=branch))
    assert colleague.post(url(visit, "correction_draft"), {"question": "x"}).status_code == 404
    assert not UnfinishedCorrection.objects.exists()


def test_unsaved_correction_is_deleted_after_a_day_or_when_the_patron_is_removed(desk, visit, patron):
    typed(desk, visit, question="New question")
    HelpSession.objects.update(patron=patron, kept_at=timezone.now())
    desk.post(url(visit, "remove_patron"), {"who": str(patron.public_id)})
    assert not UnfinishedCorrection.objects.exists()
    visit = HelpSession.objects.recorded().get()
    typed(desk, visit, question="New question")
    unfinished_corrections.forget_unfinished_corrections(at=timezone.now() + datetime.timedelta(hours=23))
    assert UnfinishedCorrection.objects.count() == 1
    unfinished_corrections.forget_unfinished_corrections(at=timezone.now() + datetime.timedelta(hours=24))
    assert not UnfinishedCorrection.objects.exists()


# Tests of changing the items, with and without JavaScript.


def test_staff_can_add_and_move_and_remove_items_before_they_save_a_correction(desk, visit, item):
    first, second = recommend_in(visit, 2)
    page = desk.get(url(visit))
    for action, titles in [
        (f"pick-{item.public_id}", [first.item.title, second.item.title, item.title]),
        ("up-2", [first.item.title, item.title, second.item.title]),
        ("remove-0", [item.title, second.item.title]),
    ]:
        page = desk.post(url(visit), filled_in(page, action=action, question="Typed before"))
        assert [row.title for _row, row in page.context["picker"].formset.shown()] == titles
        assert page.context["form"]["question"].value() == "Typed before"
    assert visit.recommendation_links.count() == 2
    assert HelpSession.objects.get().question == "Old question"
    desk.post(url(visit), filled_in(page))
    links = visit.recommendation_links.all()
    assert [link.recommendation.item.title for link in links] == [item.title, second.item.title]


def test_htmx_response_to_a_picked_item_contains_only_the_items(desk, visit, item):
    data = filled_in(desk.get(url(visit)), action=f"pick-{item.public_id}")
    part = desk.post(url(visit), data, headers={"HX-Request": "true"}).content.decode()
    assert part.lstrip().startswith('<section id="items"')
    assert f'hx-post="{url(visit)}"' in part
    found = desk.get(
        reverse("desk_items"), {"q": "mockingbird", "correcting": str(visit.public_id)}
    ).content.decode()
    assert f'hx-post="{url(visit)}"' in found


def test_first_item_cannot_be_moved_up(desk, visit):
    recommend_in(visit)
    page = desk.get(url(visit))
    assert 'value="up-0"' not in page.content.decode()
    page = desk.post(url(visit), filled_in(page, action="up-0"))
    assert len(page.context["picker"].rows) == 1


# Tests of two staff members who correct a visit at the same time.


def test_correction_is_combined_with_a_correction_that_a_colleague_saved_meanwhile(
    desk, visit, branch, coordinator, sign_in, item
):
    recommend_in(visit, reason="first reason")
    mine, colleague = desk.get(url(visit)), sign_in(Client(), coordinator)
    correct(colleague, visit, summary="Their summary", question="Their question", minutes="9")
    page = colleague.get(url(visit))
    colleague.post(
        url(visit), filled_in(colleague.post(url(visit), filled_in(page, action=f"pick-{item.public_id}")))
    )
    answer = desk.post(url(visit), filled_in(mine, question="My question", **{"items-0-reason": "my reason"}))
    assert answer.status_code == 409
    words = text(answer)
    assert "Ines Coordinator corrected this help session after you opened this page" in words
    assert "question, summary for the patron, minutes" in words
    assert "Their question" in words
    form = answer.context["form"]
    assert form["question"].value() == "My question"
    assert form["summary"].value() == "Their summary"
    assert [row.get("reason", "") for row in answer.context["picker"].rows] == ["my reason", ""]
    assert HelpSession.objects.get().question == "Their question"
    assert desk.post(url(visit), filled_in(answer)).status_code == 302
    visit.refresh_from_db()
    assert (visit.question, visit.summary, visit.minutes) == ("My question", "Their summary", 9)
    assert visit.recommendation_links.count() == 2


def test_sending_the_correction_form_twice_saves_one_correction(desk, visit):
    data = filled_in(desk.get(url(visit)), question="New question")
    assert [desk.post(url(visit), data).status_code for _ in range(2)] == [302, 302]
    assert Correction.objects.count() == 1


def test_correction_form_of_a_counted_contact_does_not_say_that_the_patron_reads_the_text(
    desk, visit, branch
):
    assert "The patron reads this." in text(desk.get(url(visit)))
    ConversationFactory(branch=branch, logged_as=visit, help_session=HelpSessionFactory())
    assert "The patron reads this." not in text(desk.get(url(visit)))


@pytest.mark.few_cases
@pytest.mark.parametrize(
    "was",
    [
        *("", "{", "[]", '{"items": 3}', '{"items": [3], "question": 4}', "null"),
        *('{"items": [{"item": [1]}]}', '{"items": [{"item": {}}]}', "[" * 100_000),
    ],
)
def test_correction_with_invalid_hidden_fields_is_shown_again(desk, visit, coordinator, sign_in, was):
    mine = filled_in(desk.get(url(visit)), question="My question")
    correct(sign_in(Client(), coordinator), visit, summary="Their summary")
    answer = desk.post(url(visit), {**mine, "was": was})
    assert answer.status_code == 409
    assert answer.context["form"]["question"].value() == "My question"


# Tests of the email to the patron about a correction.


def test_correction_form_offers_an_email_only_if_the_patron_has_a_confirmed_address(desk, visit, patron):
    assert 'name="email"' not in desk.get(url(visit)).content.decode()
    HelpSession.objects.update(patron=patron, kept_at=timezone.now())
    assert 'name="email"' in desk.get(url(visit)).content.decode()
    patron.emailaddress_set.create(email=patron.email, verified=False, primary=True)
    assert 'name="email"' not in desk.get(url(visit)).content.decode()


def test_patron_is_emailed_about_a_correction_if_staff_check_the_box(desk, visit, patron):
    HelpSession.objects.update(patron=patron, kept_at=timezone.now())
    correct(desk, visit, summary="Better")
    assert not Notification.objects.exists()
    answer = correct(desk, visit, summary="Best", email="on")
    assert "emailing the patron" in text(desk.get(answer.url))
    assert Notification.objects.get().recipient == patron


def test_visit_page_says_when_a_visit_that_became_quiet_will_be_deleted(desk, visit, patron):
    HelpSession.objects.update(patron=patron, kept_at=timezone.now())
    answer = correct(desk, visit, quiet="on")
    page = text(desk.get(answer.url))
    assert "It is deleted 30 days after it was recorded" in page
    assert HelpSession.objects.get().patron is None


# Tests of removing a wrong patron.


def test_removing_a_wrong_patron_requires_confirmation_and_shows_the_new_code(desk, visit, patron):
    HelpSession.objects.update(patron=patron, kept_at=timezone.now())
    MessageFactory(conversation=ConversationFactory(help_session=visit, patron=patron))
    asked = desk.get(url(visit, "remove_patron"))
    assert "Sam Okafor" in text(asked)
    assert "1 open conversation is closed" in text(asked)
    assert HelpSession.objects.get().patron == patron
    answer = desk.post(url(visit, "remove_patron"), {"who": str(patron.public_id)})
    right = HelpSession.objects.get(status="recorded")
    assert answer.url == url(right, "slip")
    page = desk.get(answer.url)
    assert 'id="code"' in page.content.decode()
    assert "Sam Okafor" not in text(page)
    old = desk.get(url(visit, "desk_session"))
    assert "another visit replaced it" in text(old)
    assert 'id="new-code"' not in old.content.decode()
    assert [row.pk for row in desk.get(reverse("desk_sessions")).context["rows"]] == [right.pk]


def test_removed_patron_gets_404_for_the_visit_and_its_conversation(client, visit, patron, sign_in, staff):
    HelpSession.objects.update(patron=patron, kept_at=timezone.now())
    visit.refresh_from_db()
    conversation = ConversationFactory(help_session=visit, patron=patron)
    MessageFactory(conversation=conversation)
    theirs = sign_in(Client(), patron)
    pages = [visit.get_absolute_url(), conversation.get_absolute_url()]
    assert [theirs.get(page).status_code for page in pages] == [200, 200]
    sign_in(client, staff).post(url(visit, "remove_patron"), {"who": str(patron.public_id)})
    assert [theirs.get(page).status_code for page in pages] == [404, 404]


def test_removing_a_wrong_patron_twice_is_404_and_makes_no_second_visit(desk, visit, patron):
    HelpSession.objects.update(patron=patron, kept_at=timezone.now())
    desk.post(url(visit, "remove_patron"), {"who": str(patron.public_id)})
    assert desk.post(url(visit, "remove_patron"), {"who": str(patron.public_id)}).status_code == 404
    assert HelpSession.objects.count() == 2


def test_outdated_page_cannot_remove_a_patron_who_got_the_visit_later(desk, visit, patron):
    HelpSession.objects.update(patron=patron, kept_at=timezone.now())
    other = UserFactory(name="Right Patron")
    HelpSession.objects.update(patron=other)
    answer = desk.post(url(visit, "remove_patron"), {"who": str(patron.public_id)}, follow=True)
    assert "The visit is in another account now" in text(answer)
    assert "Right Patron" in text(answer)
    assert HelpSession.objects.get().patron == other


def test_correction_form_of_a_shared_visit_links_to_the_page_that_removes_a_wrong_child(desk, branch, staff):
    visit = SharedSessionFactory(branch=branch, staff=staff, patron=ChildFactory(), shared_with=UserFactory())
    assert url(visit, "remove_patron") in desk.get(url(visit)).content.decode()
    assert "The adult who shares the visit" in text(desk.get(url(visit, "remove_patron")))


def test_page_that_removes_a_wrong_patron_says_what_happens_to_the_check_in(desk, visit, patron):
    HelpSession.objects.update(patron=patron, kept_at=timezone.now())
    assert "check-in" not in text(desk.get(url(visit, "remove_patron")))
    CheckInFactory(help_session=visit, due_on=datetime.date(2030, 5, 3))
    assert (
        "The check-in that is planned for May 3, 2030 is canceled. "
        "A new check-in is planned for the new visit."
    ) in text(desk.get(url(visit, "remove_patron")))


# Tests of deleting a visit.


def test_deleting_a_visit_requires_confirmation_and_lists_what_will_be_deleted(desk, visit):
    recommend_in(visit, 2)
    SessionNoteFactory(help_session=visit)
    code = code_for(visit)
    assert "the check-in" not in text(desk.get(url(visit, "delete_session")))
    CheckInFactory(help_session=visit, due_on=datetime.date(2030, 5, 3))
    asked = text(desk.get(url(visit, "delete_session")))
    for words in ("2 items", "1 code", "the private note", "the question and the summary"):
        assert words in asked
    assert "the check-in that is planned for May 3, 2030" in asked
    assert HelpSession.objects.exists()
    answer = desk.post(url(visit, "delete_session"), follow=True)
    assert "Help session deleted." in text(answer)
    for name in ("desk_session", "correct_session", "delete_session", "slip"):
        assert desk.get(url(visit, name)).status_code == 404
    opened = Client().post(reverse("open_code"), {"code": code}, follow=True)
    assert "Old question" not in text(opened)
    assert Client().get(visit.get_absolute_url()).status_code == 302


def test_visit_cannot_be_deleted_if_its_patron_gave_a_verdict(desk, visit):
    recommend_in(visit, verdict="helped", decided_at=timezone.now())
    asked = desk.get(url(visit, "delete_session"))
    assert "can't be deleted" in text(asked)
    assert url(visit) in asked.content.decode()
    assert desk.post(url(visit, "delete_session")).status_code == 409
    assert HelpSession.objects.count() == 1


def test_visit_under_a_legal_hold_cannot_be_deleted(desk, visit, coordinator):
    holds.hold(visit, reason="Case 7", by=coordinator, at=timezone.now())
    assert "legal hold" in text(desk.get(url(visit, "delete_session")))
    assert desk.post(url(visit, "delete_session")).status_code == 409
    assert HelpSession.objects.count() == 1


# Tests of the text that a visit had before a correction.


def test_only_coordinators_can_read_the_earlier_text_of_a_visit_under_a_legal_hold(
    desk, visit, coordinator, sign_in
):
    boss = sign_in(Client(), coordinator)
    assert boss.get(url(visit, "old_words")).status_code == 404
    held = holds.hold(visit, reason="Case 7", by=coordinator, at=timezone.now())
    correct(desk, visit, question="New question")
    page = boss.get(url(visit, "old_words"))
    assert "Old question" in text(page)
    assert url(visit, "old_words") in boss.get(url(visit, "desk_session")).content.decode()
    own = desk.get(url(visit, "desk_session")).content.decode()
    assert url(visit, "old_words") not in own
    assert "Old question" not in own
    assert desk.get(url(visit, "old_words")).status_code == 404
    holds.lift(held, by=coordinator, at=timezone.now())
    assert boss.get(url(visit, "old_words")).status_code == 404


# Tests of tallies.


def test_staff_can_undo_their_latest_tally_until_the_end_of_the_day(desk, staff, branch, sign_in):
    yesterday = datetime.date(2026, 3, 3)
    old = {"branch": branch, "status": "tally", "question": "", "summary": ""}
    kept = [
        HelpSessionFactory(staff=staff, happened_on=yesterday, **old),
        HelpSessionFactory(staff=StaffFactory(branch=branch), happened_on="2026-03-04", **old),
    ]
    page = desk.get(reverse("record")).content.decode()
    assert 'id="take-back-tally"' not in page
    for _ in range(2):
        desk.post(reverse("tally"), {"branch": str(branch.pk)})
    page = desk.get(reverse("record")).content.decode()
    assert 'id="take-back-tally"' in page
    for _ in range(2):
        desk.post(reverse("take_back_tally"), {"count": "2", "from": "record"})
    assert HelpSession.objects.filter(staff=staff, happened_on="2026-03-04").count() == 1
    desk.post(reverse("take_back_tally"), {"count": "1"})
    desk.post(reverse("take_back_tally"), {"count": "0"})
    assert set(HelpSession.objects.all()) == set(kept)


def test_tally_of_another_day_cannot_be_undone(desk, staff, branch):
    tally = HelpSessionFactory(
        branch=branch, staff=staff, status="tally", happened_on="2026-03-03", question="", summary=""
    )
    desk.post(reverse("undo_tally", args=[tally.public_id]))
    assert HelpSession.objects.count() == 1


def test_queue_has_a_button_that_undoes_a_tally(desk, branch):
    desk.post(reverse("tally"), {"branch": str(branch.pk)})
    assert 'id="take-back-tally"' in desk.get(reverse("desk")).content.decode()
    answer = desk.post(reverse("take_back_tally"), {"count": "1", "from": "queue"})
    assert answer.url == reverse("desk")
    assert not HelpSession.objects.exists()


def test_correction_page_runs_the_same_number_of_queries_for_1_and_15_items(
    desk, visit, django_assert_num_queries
):
    recommend_in(visit, 1)
    desk.get(url(visit))
    with django_assert_num_queries(18):
        desk.get(url(visit))
    recommend_in(visit, 14)
    with django_assert_num_queries(18):
        desk.get(url(visit))


@pytest.mark.parametrize(("changes", "is_told"), [({"question": "New"}, True), ({"minutes": "7"}, False)])
def test_visit_page_says_whether_a_correction_changed_the_draft_of_the_check_in(
    desk, visit, changes, is_told
):
    CheckInFactory(help_session=visit)
    page = correct(desk, visit, **changes)
    words = "The check-in about this visit has a new draft."
    assert (words in text(desk.get(page.url))) == is_told
