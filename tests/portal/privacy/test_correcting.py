"""Test the actions that correct a help session."""

import datetime

import pytest
from allauth.account.models import EmailAddress
from django.utils import timezone

from accounts.models import AuditEvent, Consent, RefusedPost
from accounts.patron.refused_posts import save_refused_post
from portal.conversations import next_steps, promise_emails, states, verdicts
from portal.conversations.models import Conversation, Draft, Message
from portal.conversations.moved_promises import Move
from portal.conversations.next_steps import Step
from portal.helpsessions import handover, search
from portal.helpsessions.models import HelpSession, SessionNote, SessionRecommendation, SessionWord
from portal.lists.models import SavedItem
from portal.notifications.models import Notification
from portal.privacy import holds
from portal.privacy.corrected_fields import COLUMNS
from portal.privacy.correcting import CorrectedMeanwhile, InAnAccount, correct
from portal.privacy.models import Correction, Export
from portal.privacy.session_lock import Gone
from recommendations.chosen_items import ChosenItem
from recommendations.models import NextStep, Recommendation
from tests.factories import (
    BranchFactory,
    CheckInFactory,
    ChildFactory,
    ConversationFactory,
    ExportFactory,
    HelpSessionFactory,
    ItemFactory,
    MessageFactory,
    SavedItemFactory,
    ServicePointFactory,
    SessionNoteFactory,
    SharedSessionFactory,
    TopicFactory,
    UserFactory,
    ask_by_email,
    code_for,
    recommend_in,
)

pytestmark = pytest.mark.django_db
NOW = timezone.now()


@pytest.fixture
def visit(library, branch, staff, patron):
    return HelpSessionFactory(branch=branch, staff=staff, patron=patron, kept_at=NOW, handed_over_at=NOW)


def email_about_moved_promise(conversation, *, to):
    MessageFactory(conversation=conversation)
    conversation.refresh_from_db()
    moved = Move(conversation, NOW, NOW + datetime.timedelta(days=1), datetime.UTC)
    EmailAddress.objects.get_or_create(user=to, email=to.email, verified=True, primary=True)
    assert promise_emails.write([moved], at=NOW) == 1


def chosen(visit):
    links = visit.recommendation_links.filter(removed_at=None)
    return [
        ChosenItem(item=link.recommendation.item, reason=link.recommendation.reason, starred=True)
        for link in links
    ]


def change(visit, *, by=None, at=None, version=None, items=None, note=None, email=False, **changes):
    """Correct the visit as the desk's page does. Fields that are not in `changes` keep their values."""
    columns = {name: getattr(visit, name) for name in COLUMNS} | changes
    note = note if note is not None else getattr(getattr(visit, "note", None), "body", "")
    return correct(
        visit,
        by=by or visit.staff,
        at=at or NOW,
        version=Correction.objects.filter(help_session=visit).count() if version is None else version,
        items=chosen(visit) if items is None else items,
        note=note,
        email=email,
        **columns,
    )


def test_correction_can_change_every_field_and_the_history_lists_the_changed_fields(visit, staff):
    SessionNoteFactory(help_session=visit, body="Wrong note")
    other, topic = BranchFactory(), TopicFactory()
    values = {
        "question": "New question",
        "summary": "New summary",
        "mode": "phone",
        "question_type": "technology",
        "topic": topic,
        "read_level": 4,
        "minutes": 12,
        "people": 3,
        "language": "es",
        "happened_on": datetime.date(2026, 3, 3),
        "hour": 9,
        "branch": other,
    }
    fields, _emailed = change(visit, note="Right note", **values)
    visit = HelpSession.objects.get(pk=visit.pk)
    assert {name: getattr(visit, name) for name in values} == values
    assert (visit.note.body, visit.note.author) == ("Right note", staff)
    assert set(fields) == {*values, "note"}
    kept = Correction.objects.get()
    assert (kept.by, kept.at, kept.fields, kept.old_words) == (staff, NOW, fields, {})
    assert AuditEvent.objects.filter(action="corrected", by=staff, subject=str(visit.public_id)).count() == 1


def test_correction_without_a_change_is_not_stored(visit):
    recommend_in(visit, 2)
    assert change(visit) == ([], False)
    assert not Correction.objects.exists()
    assert HelpSession.objects.get().corrected_on is None


def test_correction_can_add_and_remove_and_reorder_items_without_replacing_their_rows(visit, staff, patron):
    first, second, third = recommend_in(visit, 3)
    new = ItemFactory(title="New")
    items = [
        ChosenItem(item=third.item, reason="better reason", starred=False),
        ChosenItem(item=first.item, reason=first.reason),
        ChosenItem(item=new, reason="also good"),
        ChosenItem(title="By hand", kind="web_page", url="https://example.org/"),
    ]
    fields, _emailed = change(visit, items=items, question_type="technology")
    assert fields == ["question_type", "items", "item_order", "reasons", "starred"]
    links = list(visit.recommendation_links.all())
    assert [link.recommendation.item.title for link in links] == [
        third.item.title,
        first.item.title,
        "New",
        "By hand",
    ]
    assert [link.recommendation_id for link in links[:2]] == [third.pk, first.pk]
    assert not Recommendation.objects.filter(pk=second.pk).exists()
    rows = Recommendation.objects.filter(sessionrecommendation__help_session=visit)
    assert {(row.patron, row.question_type) for row in rows} == {(patron, "technology")}
    third.refresh_from_db()
    assert (third.reason, third.starred) == ("better reason", False)


def test_item_that_a_correction_removes_stays_in_the_patrons_saved_list(visit, patron):
    [given] = recommend_in(visit)
    saved = SavedItemFactory(saved_list__patron=patron, item=given.item, recommendation=given)
    change(visit, items=[])
    saved.refresh_from_db()
    assert (saved.item, saved.recommendation) == (given.item, None)


def test_removing_an_item_with_a_verdict_deletes_the_reason_but_not_the_verdict(visit):
    [given] = recommend_in(visit, verdict="did_not_help", comment="Too dense", decided_at=NOW)
    change(visit, items=[])
    given.refresh_from_db()
    link = SessionRecommendation.objects.get()
    assert (given.verdict, given.comment, given.reason, given.starred) == (
        "did_not_help",
        "Too dense",
        "",
        False,
    )
    assert (link.removed_at, link.is_dismissed) == (NOW, False)


def test_removing_an_item_with_a_conversation_hides_the_item_but_deletes_nothing(visit):
    [given] = recommend_in(visit)
    conversation = ConversationFactory(help_session=visit, recommendation=given)
    change(visit, items=[])
    conversation.refresh_from_db()
    assert conversation.recommendation == given
    assert SessionRecommendation.objects.get().is_dismissed


@pytest.mark.parametrize("has_arrived", [False, True])
def test_removing_an_item_in_a_correction_takes_back_its_next_step(visit, staff, patron, has_arrived):
    given, other = recommend_in(visit, 2)
    friday = NOW.date() + datetime.timedelta(days=3)
    for missed in (given, other):
        answer = {"verdict": "could_not_get_it", "why": None, "comment": None}
        verdicts.take_verdict(missed, **answer, by=patron, at=NOW)
        row = Conversation.objects.get(recommendation=missed)
        next_steps.record(row, missed, Step("ordered", friday), by=staff, at=NOW)
        if has_arrived:
            row = Conversation.objects.get(recommendation=missed)
            next_steps.mark_arrived(row, missed, by=staff, at=NOW)
    change(visit, items=[ChosenItem(item=other.item, reason=other.reason)])
    assert list(NextStep.objects.values_list("recommendation", flat=True)) == [other.pk]
    row = Conversation.objects.get(recommendation=given)
    last = row.events.order_by("at", "pk").last()
    assert (last.kind, last.by, row.status) == (
        "step_taken_back",
        staff,
        "waiting_for_patron" if has_arrived else "waiting_for_staff",
    )
    assert states.replay(row).status == row.status
    given.refresh_from_db()
    assert given.verdict == "could_not_get_it"


def test_removing_a_promised_item_sends_a_notice_with_a_link_to_the_visit(visit, staff, patron):
    EmailAddress.objects.create(user=patron, email=patron.email, verified=True, primary=True)
    [given] = recommend_in(visit)
    answer = {"verdict": "could_not_get_it", "why": None, "comment": None}
    verdicts.take_verdict(given, **answer, by=patron, at=NOW)
    row = Conversation.objects.get(recommendation=given)
    next_steps.record(row, given, Step("ordered", NOW.date()), by=staff, at=NOW)
    Notification.objects.all().delete()
    change(visit, items=[])
    notice = Notification.objects.get(kind="conversations/next_step")
    assert "The day that we named no longer applies." in " ".join(notice.text.split())
    for body in (notice.text, notice.html):
        assert visit.get_absolute_url() in body
        assert str(given.item.public_id) not in body


def test_removed_item_that_is_added_again_has_its_earlier_verdict(visit):
    [given] = recommend_in(visit, verdict="helped", decided_at=NOW)
    change(visit, items=[])
    change(visit, items=[ChosenItem(item=given.item, reason="again")])
    link = SessionRecommendation.objects.get()
    assert (link.recommendation_id, link.removed_at) == (given.pk, None)


def test_correction_of_an_outdated_version_is_refused(visit):
    change(visit, question="First")
    with pytest.raises(CorrectedMeanwhile):
        change(visit, version=0, question="Second")
    assert HelpSession.objects.get().question == "First"


@pytest.mark.parametrize("status", ["tally", "unfinished", "replaced"])
def test_tallies_and_unfinished_visits_and_replaced_visits_cannot_be_corrected(
    library, branch, staff, status
):
    session = HelpSessionFactory(branch=branch, staff=staff, status=status)
    with pytest.raises(Gone):
        change(session, question="New")


def test_service_point_is_removed_when_the_branch_of_a_visit_is_corrected(visit):
    point = ServicePointFactory(branch=visit.branch)
    HelpSession.objects.update(service_point=point)
    visit.refresh_from_db()
    change(visit, minutes=4)
    assert HelpSession.objects.get().service_point == point
    change(visit, branch=BranchFactory())
    assert HelpSession.objects.get().service_point is None


# Tests of what the patron reads.


@pytest.mark.parametrize(
    ("handed_over", "changes", "shown"),
    [
        (True, {"summary": "Better"}, True),
        (True, {"minutes": 9}, False),
        (False, {"summary": "Better"}, False),
    ],
)
def test_patron_sees_the_day_of_a_correction_only_if_they_could_read_the_earlier_text(
    library, branch, staff, handed_over, changes, shown
):
    session = HelpSessionFactory(branch=branch, staff=staff, handed_over_at=NOW if handed_over else None)
    change(session, **changes)
    assert HelpSession.objects.get().corrected_on == (library.today(NOW) if shown else None)


def test_patron_is_emailed_about_a_correction_only_if_staff_chose_to_send_an_email(visit, patron):
    assert change(visit, summary="Better") == (["summary"], False)
    assert not Notification.objects.exists()
    assert change(visit, summary="Best", email=True) == (["summary"], True)
    email = Notification.objects.get()
    assert email.to_address == patron.email
    for words in (email.subject, email.text, email.html):
        assert "Best" not in words
        assert "compost" not in words
    assert visit.get_absolute_url() in email.text


def test_patron_reads_in_the_access_log_who_corrected_the_visit(visit, patron, staff):
    change(visit, summary="Better")
    event = AuditEvent.objects.looks_at(patron).get()
    assert (event.action, event.by, event.subject) == ("corrected", staff, str(visit.public_id))


def test_correction_is_emailed_only_if_the_address_is_confirmed_and_patrons_see_the_change(visit, patron):
    address = patron.emailaddress_set.create(email=patron.email, verified=False, primary=True)
    assert change(visit, summary="Better", email=True) == (["summary"], False)
    address.verified = True
    address.save()
    visit.refresh_from_db()
    assert change(visit, minutes=3, email=True) == (["minutes"], False)
    assert not Notification.objects.exists()


# Tests of legal holds.


def test_earlier_text_of_a_corrected_visit_is_stored_only_during_a_legal_hold(visit, coordinator):
    recommend_in(visit, item=ItemFactory(title="Old title"), reason="old reason")
    change(visit, question="Before the hold")
    held = holds.hold(visit, reason="Case 7", by=coordinator, at=NOW)
    visit.refresh_from_db()
    change(visit, question="Under the hold", items=[])
    first, second = Correction.objects.all()
    assert first.old_words == {}
    assert second.old_words == {"question": "Before the hold", "items": "Old title: old reason"}
    assert Recommendation.objects.count() == 1
    holds.lift(held, by=coordinator, at=NOW)
    second.refresh_from_db()
    assert second.old_words == {}


def test_legal_hold_on_the_patron_also_preserves_the_earlier_text_of_a_corrected_visit(
    visit, coordinator, patron
):
    holds.hold(patron, reason="Case 7", by=coordinator, at=NOW)
    change(visit, quiet=True)
    kept = Correction.objects.get()
    assert kept.fields == ["quiet", "patron"]
    assert kept.old_words["patron"] == f"{patron.display_name} ({patron.public_id})"
    assert holds.held(HelpSession.objects.get())


@pytest.mark.parametrize(
    ("changes", "is_kept"),
    [({"question": "New"}, False), ({"language": "es"}, False), ({"minutes": 3, "topic": None}, True)],
)
def test_approval_of_a_check_in_is_canceled_if_a_correction_changes_its_draft(visit, staff, changes, is_kept):
    check_in = CheckInFactory(
        help_session=visit, words="How is the roof?", tone="plain", reviewed_at=NOW, reviewed_by=staff
    )
    change(visit, **changes)
    check_in.refresh_from_db()
    approved = ("How is the roof?", NOW, staff) if is_kept else ("", None, None)
    assert (check_in.words, check_in.reviewed_at, check_in.reviewed_by) == approved
    assert (check_in.status, check_in.tone) == ("planned", "plain")


def test_adding_items_cancels_the_approval_of_a_check_in_even_if_staff_chose_its_day(visit, staff):
    fields = {"words": "How is the roof?", "reviewed_at": NOW, "reviewed_by": staff, "set_by": "staff"}
    check_in = CheckInFactory(help_session=visit, **fields)
    change(visit, items=[ChosenItem(item=ItemFactory(), reason="r", starred=True)])
    check_in.refresh_from_db()
    assert (check_in.words, check_in.reviewed_at, check_in.set_by) == ("", None, "staff")


def test_text_of_a_sent_check_in_does_not_change_when_the_visit_is_corrected(visit):
    check_in, _path = ask_by_email(visit, words="How is the roof?")
    change(visit, question="New")
    check_in.refresh_from_db()
    assert check_in.words == "How is the roof?"


# Tests of a visit that becomes quiet.


def test_patron_data_is_removed_from_a_visit_that_becomes_quiet(visit, patron, staff, branch):
    [given] = recommend_in(visit)
    saved = SavedItemFactory(saved_list__patron=patron, item=given.item, recommendation=given)
    own = SavedItemFactory(saved_list=saved.saved_list)
    conversation = ConversationFactory(help_session=visit, patron=patron)
    written = MessageFactory(conversation=conversation)
    answer = MessageFactory(conversation=conversation, side="staff", author=staff, mail_id="<answer@x>")
    for state in ("waiting", "delivered"):
        Notification.objects.create(
            kind="conversations/answer",
            recipient=patron,
            to_address=patron.email,
            language="en",
            subject="The library has answered",
            text="x",
            message_id="<answer@x>" if state == "waiting" else "<shared.answer@x>",
            state=state,
            created_at=NOW,
            due_at=NOW,
        )
    Draft.objects.create(
        conversation=conversation,
        person=patron,
        side="patron",
        kind="reply",
        client_token=visit.public_id,
        sequence=1,
        saved_at=NOW,
        body="Half",
    )
    Consent.objects.create(
        person=patron,
        purpose="keep_session",
        subject=visit.public_id,
        wording="x",
        language="en",
        given_at=NOW,
    )
    AuditEvent.objects.create(
        action="opened",
        subject_type="helpsession",
        subject=str(visit.public_id),
        by=staff,
        patron=patron,
        at=NOW,
    )
    ExportFactory(person=patron)
    fields, _emailed = change(visit, quiet=True)
    assert fields == ["quiet", "patron"]
    visit = HelpSession.objects.get(pk=visit.pk)
    assert (visit.patron, visit.kept_at, visit.quiet) == (None, None, True)
    given.refresh_from_db(), conversation.refresh_from_db(), written.refresh_from_db()
    assert (given.patron, conversation.patron, written.author, answer.author) == (None, None, None, staff)
    assert "compost" not in conversation.subject
    assert list(SavedItem.objects.all()) == [own]
    for model in (Draft, Notification, Consent, Export):
        assert not model.objects.exists()
    assert not AuditEvent.objects.filter(patron=patron, subject=str(visit.public_id)).exists()
    assert AuditEvent.objects.looks_at(patron).count() == 1


def test_emails_about_a_new_promised_day_are_deleted_when_the_visit_becomes_quiet(visit, patron):
    own = ConversationFactory(patron=patron)
    for conversation in (ConversationFactory(help_session=visit, patron=patron), own):
        email_about_moved_promise(conversation, to=patron)
    Notification.objects.update(state="delivered")
    change(visit, quiet=True)
    assert own.get_absolute_url() in Notification.objects.get().text


@pytest.mark.parametrize("is_held", [False, True])
def test_texts_of_check_ins_about_a_quiet_visit_are_stored_only_under_a_legal_hold(visit, staff, is_held):
    check_in = CheckInFactory(help_session=visit, words="Dear Ana, is the roof fixed?", reason="rent day")
    if is_held:
        legal_hold = holds.hold(visit, reason="court", by=staff, at=timezone.now())
    change(visit, quiet=True)
    check_in.refresh_from_db()
    kept = ("Dear Ana, is the roof fixed?", "rent day") if is_held else ("", "")
    assert (check_in.words, check_in.reason, check_in.status) == (*kept, "ended")
    if is_held:
        holds.lift(legal_hold, by=staff, at=timezone.now())
        check_in.refresh_from_db()
    assert (check_in.words, check_in.reason) == ("", "")


def test_refused_forms_about_a_visit_are_deleted_when_the_visit_becomes_quiet(visit, patron):
    [given] = recommend_in(visit)
    conversation = ConversationFactory(help_session=visit, patron=patron)
    own = ConversationFactory(patron=patron).get_absolute_url()
    for path, fields in (
        (f"{visit.get_absolute_url()}ask/", {"body": ["Half"]}),
        (conversation.get_absolute_url(), {"body": ["Half"]}),
        ("/lists/save/x/", {"recommendation": [str(given.public_id)]}),
        (own, {"body": ["Half"]}),
    ):
        save_refused_post(patron, path=path, fields=fields, at=NOW, browser="b")
    change(visit, quiet=True)
    assert RefusedPost.objects.get().path == own


def test_logged_contact_becomes_quiet_together_with_the_visit(visit, patron, branch, staff):
    """Check that the desk's search doesn't find the logged session, which repeats the patron's text."""
    contact = HelpSessionFactory(branch=branch, staff=staff, question="Wolves?")
    ConversationFactory(help_session=visit, patron=patron, logged_as=contact)
    other = HelpSessionFactory(branch=branch, staff=staff, question="Bears?")
    ConversationFactory(patron=patron, logged_as=other)
    for session in (contact, other):
        search.index(session)
    change(visit, quiet=True)
    for session in (contact, other):
        session.refresh_from_db()
    assert (contact.quiet, other.quiet) == (True, False)
    words = SessionWord.objects.filter(help_session__in=[contact, other])
    assert list(words.filter(word__in=["wolves", "bears"]).values_list("word", flat=True)) == ["bears"]


def test_other_visits_of_the_patron_do_not_change_when_a_visit_becomes_quiet(visit, patron, branch, staff):
    other = HelpSessionFactory(branch=branch, staff=staff, patron=patron)
    saved = SavedItemFactory(saved_list__patron=patron, recommendation=recommend_in(other)[0])
    message = MessageFactory(conversation=ConversationFactory(help_session=other, patron=patron))
    change(visit, quiet=True)
    assert HelpSession.objects.get(patron=patron) == other
    assert SavedItem.objects.get() == saved
    assert Message.objects.get().author == patron
    assert Conversation.objects.get(patron=patron) == message.conversation


def test_shared_visit_that_becomes_quiet_is_removed_from_both_accounts(library, branch, staff):
    child, adult = ChildFactory(), UserFactory()
    visit = SharedSessionFactory(branch=branch, staff=staff, patron=child, shared_with=adult)
    change(visit, quiet=True)
    visit.refresh_from_db()
    assert (visit.patron, visit.shared_with, visit.shared_at) == (None, None, None)


def test_visit_code_still_works_after_the_visit_becomes_quiet(library, branch, staff):
    session = HelpSessionFactory(branch=branch, staff=staff)
    code_for(session)
    change(session, quiet=True)
    assert session.claim_codes.get().state == "live"


def test_unsent_email_with_a_visit_code_is_deleted_when_the_visit_becomes_quiet(library, branch, staff):
    session = HelpSessionFactory(branch=branch, staff=staff)
    other = HelpSessionFactory(branch=branch, staff=staff)
    for visit in (session, other):
        handover.hand_over(
            visit, by=staff, at=NOW, base_url="https://x", to_address=f"{visit.pk}@example.org"
        )
    change(session, quiet=True)
    assert [email.to_address for email in Notification.objects.all()] == [f"{other.pk}@example.org"]


# Tests of visits with a child.


def test_visit_in_an_account_cannot_become_paper_only_or_change_its_sharing(visit, branch, staff):
    with pytest.raises(InAnAccount):
        change(visit, with_child="paper")
    with pytest.raises(InAnAccount):
        change(visit, with_child="shared")
    change(visit, with_child="own")
    shared = SharedSessionFactory(
        branch=branch, staff=staff, patron=ChildFactory(), shared_with=UserFactory()
    )
    with pytest.raises(InAnAccount):
        change(shared, with_child="")


def test_codes_of_a_visit_are_revoked_when_the_visit_becomes_paper_only(library, branch, staff):
    session = HelpSessionFactory(branch=branch, staff=staff)
    code_for(session)
    change(session, with_child="paper")
    assert session.claim_codes.get().state == "revoked"


def test_private_note_is_deleted_if_a_correction_empties_the_note(visit):
    SessionNoteFactory(help_session=visit)
    assert change(visit, note="")[0] == ["note"]
    assert not SessionNote.objects.exists()
