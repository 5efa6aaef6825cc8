"""Test visits with a child: on paper only, shared with one adult, or the child's own."""

import datetime
import uuid
from datetime import timedelta

import pytest
from django.core.files.storage import storages
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import Consent, User
from portal.conversations import actions as conversations
from portal.conversations import attachments, merging, taking_back
from portal.conversations import keeping as conversation_keeping
from portal.conversations.models import Message
from portal.helpsessions import handover, keeping
from portal.helpsessions.models import ClaimCode
from portal.notifications.models import Notification
from portal.privacy import erasure
from recommendations.models import Recommendation
from tests.factories import (
    ChildFactory,
    ConversationFactory,
    HelpSessionFactory,
    MessageFactory,
    QuietSessionFactory,
    SharedSessionFactory,
    UserFactory,
    code_for,
    picture_file,
    recommend_in,
)
from tests.portal.pages import asks_to_sign_in, text

pytestmark = pytest.mark.django_db


@pytest.fixture
def child(library):
    return ChildFactory(name="Mia")


@pytest.fixture
def adult(library):
    return UserFactory(name="Gudrun Adult", email="gudrun@example.org")


@pytest.fixture
def session(branch, staff):
    return SharedSessionFactory(branch=branch, staff=staff)


@pytest.fixture
def keep():
    """Return keep(session, person), which adds the help session to the account of `person`."""
    return lambda session, person: conversation_keeping.keep(
        session, by=person, at=timezone.now(), wording="As read", language="en"
    )


@pytest.fixture
def device(sign_in):
    """Return device(person), which signs the person in and returns the person's test client."""
    return lambda person: sign_in(Client(), User.objects.get(pk=person.pk))


def page(device, session):
    return device.get(session.get_absolute_url())


def write(device, session, body):
    answer = device.post(
        reverse("ask_about_session", args=[session.public_id]),
        {"body": body, "client_token": str(uuid.uuid4())},
    )
    assert answer.status_code == 302
    return Message.objects.get(body=body)


def answer_to(message, by):
    how = {"by": by, "side": "staff", "at": timezone.now(), "language": "en", "client_token": uuid.uuid4()}
    return conversations.reply(message.conversation, body="Hot rock.", **how)


# Tests of visits on paper only.


@pytest.fixture
def paper(branch, staff):
    return HelpSessionFactory(branch=branch, staff=staff, with_child="paper")


def test_paper_only_visit_cannot_be_emailed_or_opened_by_code_or_added_to_an_account(
    paper, staff, patron, child
):
    for to_address in ("", "sam@example.org"):
        with pytest.raises(keeping.OnPaperOnly):
            handover.hand_over(paper, by=staff, at=timezone.now(), base_url="", to_address=to_address)
    with pytest.raises(keeping.OnPaperOnly):
        handover.attach_code_card(paper, code=code_for(None), by=staff, at=timezone.now())
    for person in (patron, child):
        with pytest.raises(keeping.OnPaperOnly):
            conversation_keeping.keep(paper, by=person, at=timezone.now(), wording="", language="en")
    assert not ClaimCode.objects.filter(help_session=paper).exists()
    assert not Notification.objects.exists()
    assert not Consent.objects.exists()


def test_database_refuses_to_store_a_patron_for_a_paper_only_visit(paper, patron):
    with pytest.raises(IntegrityError), transaction.atomic():
        type(paper).objects.filter(pk=paper.pk).update(patron=patron)


def test_quiet_visit_with_a_child_cannot_be_added_to_an_account_or_shared(branch, staff, adult):
    for with_child in ("paper", "shared", "own"):
        quiet = QuietSessionFactory(branch=branch, staff=staff, with_child=with_child)
        # A quiet visit is always handed over by code, even in a paper-only library.
        assert handover.hand_over(quiet, by=staff, at=timezone.now(), base_url="")
        with pytest.raises(keeping.QuietSession):
            conversation_keeping.keep(quiet, by=adult, at=timezone.now(), wording="", language="en")
        with pytest.raises(IntegrityError), transaction.atomic():
            type(quiet).objects.filter(pk=quiet.pk).update(shared_with=adult)


# Tests of visits shared with an adult.


@pytest.mark.parametrize("first", ["child", "adult"])
def test_child_and_adult_can_both_add_a_shared_visit_to_their_accounts(
    session, child, adult, keep, device, first
):
    code = code_for(session)
    order = [child, adult] if first == "child" else [adult, child]
    keep(session, order[0])
    assert handover.open_by_code(code, at=timezone.now()).help_session == session
    keep(session, order[1])
    session.refresh_from_db()
    assert (session.patron, session.shared_with) == (child, adult)
    with pytest.raises(handover.CodeKept):
        handover.open_by_code(code, at=timezone.now())
    # The code is used up, but it still redirects the child and the adult to the visit in their accounts.
    for person, status in ((child, 302), (adult, 302), (UserFactory(), 410)):
        assert device(person).post(reverse("open_code"), {"code": code}).status_code == status


def test_second_child_or_second_adult_cannot_add_a_shared_visit_to_their_account(session, child, adult, keep):
    keep(session, child)
    keep(session, adult)
    for other in (ChildFactory(name="Leo"), UserFactory()):
        with pytest.raises(keeping.AlreadyKept):
            keep(session, other)
    # Adding the visit to the same account again changes nothing.
    keep(session, child)
    keep(session, adult)
    assert Consent.objects.count() == 2


@pytest.mark.slow
def test_child_and_adult_can_both_give_verdicts_and_ask_about_a_shared_visit(
    session, child, adult, keep, device
):
    [recommendation] = recommend_in(session)
    keep(session, child)
    keep(session, adult)
    for person, verdict in ((child, "partly"), (adult, "helped")):
        viewer = device(person)
        assert session.title in text(page(viewer, session))
        assert session.title in text(viewer.get(reverse("home")))
        viewer.post(
            reverse("verdict", args=[recommendation.public_id]), {"verdict": verdict, "back": reverse("home")}
        )
        recommendation.refresh_from_db()
        assert recommendation.verdict == verdict
        message = write(viewer, session, f"From {person.name}")
        assert (message.author, message.conversation.patron) == (person, child)


@pytest.mark.slow
def test_adult_of_a_shared_visit_sees_no_other_visits_of_the_child(
    session, child, adult, keep, device, branch, staff
):
    keep(session, child)
    keep(session, adult)
    other = SharedSessionFactory(branch=branch, staff=staff, patron=child, question="Zqxsecret question")
    [given] = recommend_in(other)
    conversation = ConversationFactory(help_session=other, subject="Zqxsecret subject")
    message = MessageFactory(conversation=conversation, body="Zqxsecret words")
    alone = conversations.ask(
        by=child, at=timezone.now(), body="Zqxsecret of no visit", language="en", client_token=uuid.uuid4()
    )
    viewer = device(adult)
    for address in (
        other.get_absolute_url(),
        conversation.get_absolute_url(),
        alone.get_absolute_url(),
        reverse("verdict", args=[given.public_id]),
    ):
        assert viewer.get(address).status_code == 404
    for name in ("home", "help_sessions", "conversations", "saved", "me", "privacy", "who_looked"):
        assert "Zqxsecret" not in viewer.get(reverse(name)).content.decode()
    assert "Zqxsecret" not in page(viewer, session).content.decode()
    # The child's page contains "Zqxsecret". This proves that the text exists and that the adult's pages hide
    # it.
    assert "Zqxsecret" in text(device(child).get(message.conversation.get_absolute_url()))


def test_conversations_of_different_visits_cannot_be_merged_if_one_visit_is_shared(
    session, child, branch, staff
):
    other = HelpSessionFactory(branch=branch, staff=staff, patron=child)
    type(session).objects.filter(pk=session.pk).update(patron=child)
    session.refresh_from_db()
    shared, second, apart = (ConversationFactory(help_session=found) for found in (session, session, other))
    assert merging.may_merge(shared, second)
    for one, two in ((shared, apart), (apart, shared)):
        assert not merging.may_merge(one, two)
        with pytest.raises(merging.CannotMerge):
            merging.merge(one, into=two, by=staff, at=timezone.now())
    assert list(merging.mergeable(shared)) == [second]
    assert list(merging.mergeable(apart)) == []


def test_child_and_adult_do_not_see_each_others_names_in_a_conversation(
    session, child, adult, keep, device, staff
):
    keep(session, child)
    keep(session, adult)
    asked = write(device(child), session, "Is lava hot?")
    device(adult).post(
        reverse("reply", args=[asked.conversation.public_id]),
        {"body": "And for school?", "client_token": str(uuid.uuid4())},
    )
    address = asked.conversation.get_absolute_url()
    childs, adults = text(device(child).get(address)), text(device(adult).get(address))
    assert ("You wrote" in childs, "The adult wrote" in childs, "The child wrote" in childs) == (
        True,
        True,
        False,
    )
    assert ("You wrote" in adults, "The child wrote" in adults, "The adult wrote" in adults) == (
        True,
        True,
        False,
    )
    assert "Gudrun" not in childs + text(page(device(child), session))
    assert "gudrun@example.org" not in childs
    assert "Mia" not in adults + text(page(device(adult), session))


def test_staff_see_child_and_adult_of_a_shared_visit(session, child, adult, keep, client, staff, sign_in):
    keep(session, child)
    keep(session, adult)
    desk = sign_in(client, staff)
    shown = text(desk.get(reverse("desk_session", args=[session.public_id])))
    assert "Mia" in shown
    assert "Gudrun Adult" in shown
    assert "with this patron as the adult" in text(desk.get(reverse("patron_record", args=[adult.public_id])))
    for person in (child, adult):
        assert "opened your visit" in text(browser_of(person, sign_in).get(reverse("who_looked")))


def test_desk_conversation_page_says_that_an_adult_also_reads_the_answers(
    session, child, adult, keep, device, client, staff, sign_in
):
    keep(session, child)
    conversation = write(device(child), session, "Is lava hot?").conversation
    desk = sign_in(client, staff)
    assert "One adult can still add it to their account and read this conversation" in text(
        desk.get(reverse("desk_conversation", args=[conversation.public_id]))
    )
    keep(session, adult)
    write(device(adult), session, "And for school?")
    page = text(desk.get(reverse("desk_conversation", args=[conversation.public_id])))
    assert "Gudrun Adult, the adult, also reads this conversation" in page


def browser_of(person, sign_in):
    return sign_in(Client(), User.objects.get(pk=person.pk))


def test_emails_to_child_and_adult_are_deleted_when_the_answer_is_taken_back(
    session, adult, keep, device, staff
):
    child = ChildFactory(name="Mia", email="mia@example.org")
    keep(session, child)
    keep(session, adult)
    answer = answer_to(write(device(child), session, "Is lava hot?"), staff)
    mails = Notification.objects.order_by("to_address").values_list("to_address", "recipient")
    assert list(mails) == [("gudrun@example.org", adult.pk), ("mia@example.org", child.pk)]
    assert not any("lava" in mail.text + mail.subject for mail in Notification.objects.all())
    taking_back.take_back(answer, by=staff, at=answer.sent_at + timedelta(seconds=5))
    assert not Notification.objects.exists()


def test_adult_cannot_open_a_visit_even_by_code_after_the_child_ends_sharing(
    session, child, adult, keep, device, show_code
):
    code = code_for(session)
    [recommendation] = recommend_in(session)
    keep(session, child)
    by_code = show_code(device(adult), code)
    keep(session, adult)
    write(device(child), session, "Is lava hot?")
    assert page(by_code, session).status_code == 200
    # Only the child can end the sharing. The adult can only leave.
    assert device(adult).post(reverse("stop_sharing", args=[session.public_id])).status_code == 404
    assert (
        device(child).post(reverse("stop_sharing", args=[session.public_id])).url
        == session.get_absolute_url()
    )
    assert page(device(adult), session).status_code == 404
    assert page(by_code, session).status_code == 404
    assert page(device(child), session).status_code == 200
    assert "Is lava hot?" not in text(device(adult).get(reverse("conversations")))
    assert device(adult).get(reverse("verdict", args=[recommendation.public_id])).status_code == 404


def test_child_can_end_sharing_before_an_adult_uses_the_code(session, child, adult, keep, device):
    code = code_for(session)
    keep(session, child)
    device(child).post(reverse("stop_sharing", args=[session.public_id]))
    with pytest.raises(handover.CodeRevoked):
        handover.open_by_code(code, at=timezone.now())


@pytest.mark.slow
def test_shared_visit_stays_in_the_second_account_after_one_person_removes_the_visit(
    session, child, adult, keep, device
):
    [recommendation] = recommend_in(session)
    keep(session, child)
    keep(session, adult)
    asked = write(device(child), session, "Is lava hot?")
    assert device(child).post(reverse("stop_keeping", args=[session.public_id])).url == reverse("home")
    for address in (
        session.get_absolute_url(),
        asked.conversation.get_absolute_url(),
        reverse("verdict", args=[recommendation.public_id]),
    ):
        assert device(child).get(address).status_code == 404
        assert device(adult).get(address).status_code == 200
    recommendation.refresh_from_db()
    assert recommendation.patron is None
    keep(session, child)
    device(adult).post(reverse("stop_keeping", args=[session.public_id]))
    assert [page(device(who), session).status_code for who in (child, adult)] == [200, 404]


def test_viewer_with_only_a_code_cannot_end_sharing(session, adult, child, keep, show_code):
    code = code_for(session)
    keep(session, adult)
    holder = show_code(Client(), code)
    assert page(holder, session).status_code == 200
    for name in ("stop_keeping", "stop_sharing"):
        assert asks_to_sign_in(holder.post(reverse(name, args=[session.public_id])))


def test_staff_member_can_remove_the_adult_from_a_shared_visit(
    session, child, adult, keep, client, staff, sign_in
):
    keep(session, adult)
    code = code_for(session)
    sign_in(client, staff).post(reverse("take_out", args=[session.public_id]), {"who": str(adult.public_id)})
    assert page(browser_of(adult, sign_in), session).status_code == 404
    with pytest.raises(handover.CodeRevoked):
        handover.open_by_code(code, at=timezone.now())
    assert "ended the sharing of a child's visit with you" in text(
        browser_of(adult, sign_in).get(reverse("who_looked"))
    )


@pytest.mark.parametrize(("part", "is_child"), [("child", True), ("adult", False)])
def test_viewer_with_only_a_code_must_choose_child_or_adult_before_adding_a_visit_to_an_account(
    session, show_code, part, is_child
):
    holder, address = (
        show_code(Client(), code_for(session)),
        reverse("keep_session", args=[session.public_id]),
    )
    assert "I'm the child" in text(holder.get(address))
    # The page first asks whether the viewer is the child or the adult.
    assert holder.post(address, {"without_address": "1"}).status_code == 200
    assert not User.objects.filter(email=None, last_login__isnull=False).exists()
    assert "Keep the visit on this device" in text(holder.get(f"{address}?as={part}"))
    holder.post(f"{address}?as={part}", {"without_address": "1"})
    session.refresh_from_db()
    kept_by = session.patron if is_child else session.shared_with
    assert (kept_by.is_child, kept_by.name, kept_by.email) == (is_child, "", None)
    assert page(holder, session).status_code == 200


def test_consent_text_of_a_shared_visit_differs_for_child_and_adult(session, child, adult, device, show_code):
    code = code_for(session)
    for person, words in (
        (adult, "see the child"),
        (child, "You can stop sharing the visit"),
    ):
        viewer = show_code(device(person), code)
        address = reverse("keep_session", args=[session.public_id])
        assert words in text(viewer.get(address))
        viewer.post(address)
        assert words in Consent.objects.get(person=person).wording


# Tests of a child's own visit.


def test_adult_cannot_keep_a_childs_own_visit_that_the_child_has_kept(
    branch, staff, child, adult, keep, show_code
):
    session = HelpSessionFactory(branch=branch, staff=staff, with_child="own")
    code = code_for(session)
    holder = show_code(Client(), code)
    holder.post(reverse("keep_session", args=[session.public_id]), {"without_address": "1"})
    session.refresh_from_db()
    assert (session.patron.is_child, session.shared_with) == (True, None)
    with pytest.raises(handover.CodeKept):
        handover.open_by_code(code, at=timezone.now())
    with pytest.raises(keeping.AlreadyKept):
        keep(session, adult)


# Tests of visits without a child.


def test_visit_without_a_child_can_be_added_to_only_one_account(branch, staff, patron, adult, keep, child):
    session = HelpSessionFactory(branch=branch, staff=staff)
    code = code_for(session)
    keep(session, patron)
    with pytest.raises(handover.CodeKept):
        handover.open_by_code(code, at=timezone.now())
    for other in (adult, child):
        with pytest.raises(keeping.AlreadyKept):
            keep(session, other)


# Tests where the library changes its setting for children.


@pytest.mark.parametrize("later", ["paper", "shared", "own"])
def test_new_library_setting_for_children_does_not_affect_recorded_visits(
    library, branch, staff, child, adult, keep, show_code, later
):
    visits = {
        mode: HelpSessionFactory(branch=branch, staff=staff, with_child=mode)
        for mode in ("paper", "shared", "own")
    }
    codes = {mode: code_for(visits[mode]) for mode in ("shared", "own")}
    library.children = later
    library.save()
    with pytest.raises(keeping.OnPaperOnly):
        handover.hand_over(visits["paper"], by=staff, at=timezone.now(), base_url="")
    for mode in ("shared", "own"):
        assert page(show_code(Client(), codes[mode]), visits[mode]).status_code == 200
        assert keep(visits[mode], child).patron == child
    assert keep(visits["shared"], adult).shared_with == adult
    with pytest.raises(keeping.AlreadyKept):
        keep(visits["own"], adult)


def test_only_the_adult_of_a_shared_visit_is_marked_as_having_shared_visits(session, adult, patron, keep):
    keep(session, adult)
    held = set(type(session).objects.exclude(shared_with=None).values_list("shared_with", flat=True))
    assert set(User.objects.filter(has_shared_visits=True).values_list("pk", flat=True)) == held == {adult.pk}


def test_recommendations_of_a_shared_visit_belong_to_the_child(session, child, adult, keep):
    recommend_in(session, 2)
    keep(session, adult)
    assert set(Recommendation.objects.values_list("patron", flat=True)) == {None}
    keep(session, child)
    assert set(Recommendation.objects.values_list("patron", flat=True)) == {child.pk}
    assert (
        datetime.timedelta(0)
        <= timezone.now() - session.__class__.objects.get().kept_at
        < datetime.timedelta(minutes=1)
    )


def save_draft(browser, conversation, words):
    """Save `words` as a draft on the conversation's page and return the token of the message form."""
    token, sequence = (
        browser.get(conversation.get_absolute_url()).context[name] for name in ("token", "sequence")
    )
    saved = browser.post(
        reverse("conversation_draft", args=[conversation.public_id]),
        {"body": words, "client_token": token, "sequence": sequence + 1},
    )
    assert saved.status_code == 204
    return token


@pytest.mark.slow
def test_child_and_adult_cannot_see_each_others_drafts(session, adult, keep, device, show_code, staff):
    """Let the adult sign in, and let the child use only the code on the slip."""
    code = code_for(session)
    keep(session, adult)
    conversation = ConversationFactory(help_session=session, patron=None)
    MessageFactory(conversation=conversation, side="staff", author=staff)
    childs, adults = show_code(Client(), code), device(adult)
    token = save_draft(childs, conversation, "Nobody at home may know")
    [(name, usable)], _refused = attachments.checked([("note.jpg", picture_file(), "")])
    attachments.add(
        conversation, name=name, usable=usable, by=None, side="patron", client_token=token, at=timezone.now()
    )
    assert adults.get(conversation.get_absolute_url()).context["typed"] == ""
    save_draft(adults, conversation, "From the adult")
    save_draft(adults, conversation, "From the adult, too")
    assert [
        browser.get(conversation.get_absolute_url()).context["typed"] for browser in (childs, adults)
    ] == [
        "Nobody at home may know",
        "From the adult, too",
    ]
    adults.post(
        reverse("reply", args=[conversation.public_id]),
        {"body": "Sent", "client_token": token, "sequence": 1},
    )
    assert conversation.attachments.get().message is None


def test_adult_cannot_add_a_visit_to_their_account_after_its_sharing_ended(
    session, child, adult, keep, device, client, staff, sign_in
):
    keep(session, child)
    keep(session, adult)
    device(child).post(reverse("stop_sharing", args=[session.public_id]))
    session.refresh_from_db()
    assert (session.shared_with, session.is_fully_kept, session.is_open_to_an_adult) == (None, True, False)
    with pytest.raises(keeping.AlreadyKept):
        keep(session, adult)
    with pytest.raises(keeping.AlreadyKept):
        handover.hand_over(session, by=staff, at=timezone.now(), base_url="https://library.example")
    page = text(sign_in(client, staff).get(reverse("desk_session", args=[session.public_id])))
    assert "One adult can also add the visit to their own account" not in page
    page = device(child).get(session.get_absolute_url())
    assert "Only you and the staff who help you at the library can see this visit now" in text(page)


def test_saved_item_of_the_adult_shows_no_reason_after_the_child_ends_sharing(
    session, child, adult, keep, device
):
    [recommendation] = recommend_in(session, reason="because she asked for something gentle")
    keep(session, child)
    keep(session, adult)
    viewer = device(adult)
    viewer.post(
        reverse("save_item", args=[recommendation.item.public_id]),
        {"recommendation": recommendation.public_id},
    )
    assert "something gentle" in text(viewer.get(reverse("saved")))
    device(child).post(reverse("stop_sharing", args=[session.public_id]))
    page = text(viewer.get(reverse("saved")))
    assert "something gentle" not in page
    assert recommendation.item.title in page


def test_erasing_the_adult_deletes_their_unsent_attachments(
    session, child, adult, keep, django_capture_on_commit_callbacks
):
    keep(session, child)
    keep(session, adult)
    session.refresh_from_db()
    conversation = ConversationFactory(help_session=session, patron=child)
    [(name, usable)], _refused = attachments.checked([("note.jpg", picture_file(), "")])
    attachments.add(
        conversation,
        name=name,
        usable=usable,
        by=adult,
        side="patron",
        client_token=uuid.uuid4(),
        at=timezone.now(),
    )
    [stored] = conversation.attachments.values_list("file", flat=True)
    with django_capture_on_commit_callbacks(execute=True):
        erasure.erase(adult, language="en", at=timezone.now())
    assert not conversation.attachments.exists()
    assert not storages["private"].exists(stored)
