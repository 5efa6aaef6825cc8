import re
import uuid
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEvent
from portal.helpsessions.models import SessionRecommendation
from portal.lists import links, staff_links
from portal.lists.links import address_of, seal_links_anew
from portal.lists.models import MAX_STAFF_LINKS, SavedList, StaffLink, StaffLinkItem
from portal.lists.staff_links import end_staff_link, forget_staff_links, make_staff_link
from portal.privacy.erasure import erase
from recommendations.models import Holding, Item
from tests.factories import (
    ChildFactory,
    ConversationFactory,
    HelpSessionFactory,
    ItemFactory,
    MessageFactory,
    QuietSessionFactory,
    SharedSessionFactory,
    StaffFactory,
    TopicFactory,
    UserFactory,
    recommend_in,
    recommend_in_message,
)
from tests.portal.pages import heading, part, shown_to_visitors, text

CHOICES = {"days": "90"}
OFFER = "Share these items"
REFUSED = "be shared, because the visit or conversation is quiet, with a child, or about a sensitive topic."


@pytest.fixture
def session(branch, staff, patron):
    return HelpSessionFactory(
        branch=branch, staff=staff, patron=patron, question="Where do I find a lawyer?", summary="SUMMARY"
    )


@pytest.fixture
def conversation(session):
    conversation = ConversationFactory(help_session=session, subject="Where do I find a lawyer?")
    MessageFactory(conversation=conversation, body="My QUESTION about the divorce")
    return conversation


@pytest.fixture
def answer(conversation, staff):
    return answer_with(conversation, "Snow country", "Blue book", by=staff)


def answer_with(conversation, *titles, by=None, sent_at=None):
    """Add an answer that recommends items with these titles, and return the answer."""
    at = sent_at or timezone.now() - timedelta(minutes=5)
    message = MessageFactory(
        conversation=conversation, side="staff", author=by, body="ANSWER to you", sent_at=at
    )
    given = recommend_in_message(message, len(titles), reason="Because of the divorce")
    for title, recommendation in zip(titles, given, strict=True):
        recommendation.item.title = title
        recommendation.item.save()
    return message


def share_url(message):
    return reverse("share_answer", args=[message.conversation.public_id, message.public_id])


def make(desk, url, **choices):
    """Make a link with the button of the preview, and return the link."""
    response = desk.post(url, CHOICES | choices)
    assert response.status_code == 302
    return StaffLink.objects.get(public_id=response.url.split("/")[-2])


def link_to(*titles, by, branch=None, **choices):
    items = [ItemFactory(title=title) for title in titles or ["Snow country"]]
    branch = branch or by.roles[0].branch
    return make_staff_link(items, branch=branch, by=by, **{"at": timezone.now()} | choices)


def titles(page):
    return re.findall(r"<strong>(.*?)</strong>", part(page, "shown"))


def token_of(link):
    return address_of(link).split("/")[-2]


def token_in(page):
    return re.search(r'name="client_token" value="([^"]+)"', page.content.decode())[1]


# Tests of making a link from an answer or a visit.


def test_link_from_an_answer_shows_visitors_only_the_previewed_items(
    desk, answer, conversation, patron, staff, branch, session
):
    page = desk.get(reverse("desk_conversation", args=[conversation.public_id]))
    assert f'href="{share_url(answer)}"' in page.content.decode()
    preview = desk.get(share_url(answer))
    assert (preview.status_code, heading(preview), titles(preview)) == (
        200,
        OFFER,
        ["Snow country", "Blue book"],
    )
    assert StaffLink.objects.count() == 0
    link = make(desk, share_url(answer), client_token=token_in(preview))
    visitors = Client().get(address_of(link))
    assert shown_to_visitors(visitors) == shown_to_visitors(preview)
    assert heading(visitors) == "From the library"
    assert "Shared by the staff of this library" in text(visitors)
    html = visitors.content.decode()
    hidden = [
        *("lawyer", "divorce", "QUESTION", "ANSWER", "SUMMARY", "/desk/", "/messages/", branch.name),
        *(patron.name, patron.email, staff.name, "A patron made this list"),
        *(str(row.public_id) for row in (answer, conversation, session, link)),
    ]
    assert [word for word in hidden if word in html] == []


def test_link_from_a_visit_shows_visitors_only_the_previewed_items(desk, session):
    given = recommend_in(session, 2, reason="Because of the divorce")
    removed = SessionRecommendation.objects.filter(recommendation__in=recommend_in(session))
    removed.update(removed_at=timezone.now())
    url = reverse("share_session", args=[session.public_id])
    page = desk.get(reverse("desk_session", args=[session.public_id]))
    assert f'href="{url}"' in page.content.decode()
    preview = desk.get(url)
    link = make(desk, url)
    visitors = Client().get(address_of(link))
    assert titles(visitors) == [each.item.title for each in given]
    assert shown_to_visitors(visitors) == shown_to_visitors(preview)
    assert "divorce" not in visitors.content.decode()


def test_preview_says_that_visitors_also_see_call_numbers(desk, session, branch):
    [given] = recommend_in(session)
    Item.objects.filter(pk=given.item_id).update(source="catalogue")
    Holding.objects.create(item=given.item, branch=branch, call_number="FIC SMITH")
    url = reverse("share_session", args=[session.public_id])
    preview = text(desk.get(url))
    link = make(desk, url)
    item_page = Client().get(reverse("shared_item", args=[token_of(link), given.item.public_id]))
    assert "FIC SMITH" in text(item_page)
    assert "The page of each item also shows its publisher, ISBN and call numbers." in preview


def test_link_shows_only_the_items_of_the_chosen_answer(desk, conversation, staff, answer):
    second = answer_with(conversation, "Third", "Fourth", by=staff)
    first_item = second.recommendation_links.first().recommendation.item
    doubled = recommend_in_message(second, item=first_item)[0]
    assert doubled.item == first_item
    link = make(desk, share_url(second))
    assert titles(Client().get(address_of(link))) == ["Third", "Fourth"]


@pytest.mark.parametrize(
    "what", ["without items", "of the patron", "pending", "of another conversation", "unknown"]
)
def test_share_page_of_a_message_without_items_to_share_is_404(desk, conversation, staff, answer, what):
    message = MessageFactory(conversation=conversation, side="staff", author=staff)
    if what == "of the patron":
        message = conversation.messages.filter(side="patron").get()
    elif what == "pending":
        message = answer_with(conversation, "Not yet", by=staff, sent_at=timezone.now())
        message.shown_from = timezone.now() + timedelta(seconds=10)
        message.save()
    url = share_url(message)
    if what == "of another conversation":
        other = answer_with(ConversationFactory(help_session=conversation.help_session), "Other", by=staff)
        url = reverse("share_answer", args=[conversation.public_id, other.public_id])
    elif what == "unknown":
        url = reverse("share_answer", args=[conversation.public_id, uuid.uuid4()])
    assert [desk.get(url).status_code, desk.post(url, CHOICES).status_code] == [404, 404]
    page = desk.get(reverse("desk_conversation", args=[conversation.public_id])).content.decode()
    assert f'href="{share_url(answer)}"' in page
    assert f'href="{share_url(message)}"' not in page


def test_staff_of_another_branch_and_patrons_cannot_share_items_by_link(
    answer, session, elsewhere, patron, sign_in
):
    recommend_in(session)
    urls = [share_url(answer), reverse("share_session", args=[session.public_id])]
    for person in (elsewhere, patron):
        browser = sign_in(Client(), person)
        assert [browser.get(url).status_code for url in urls] == [404, 404]
        assert [browser.post(url, CHOICES).status_code for url in urls] == [404, 404]
    assert StaffLink.objects.count() == 0


def _private(what, branch, staff, patron):
    """Return a visit whose items staff can't share. `what` is one of the reasons in PRIVATE."""
    own = {"branch": branch, "staff": staff}
    if what == "quiet":
        return QuietSessionFactory(**own)
    if what == "shared with an adult":
        return SharedSessionFactory(patron=ChildFactory(), shared_with=patron, **own)
    if what == "on paper":
        return HelpSessionFactory(with_child="paper", **own)
    if what == "of a child":
        return HelpSessionFactory(patron=ChildFactory(), **own)
    return HelpSessionFactory(patron=patron, topic=TopicFactory(never_by_message=True), **own)


PRIVATE = ["quiet", "shared with an adult", "on paper", "of a child", "about a sensitive topic"]


@pytest.mark.parametrize("what", PRIVATE)
def test_items_of_private_visits_and_their_conversations_cannot_be_shared(desk, branch, staff, patron, what):
    session = _private(what, branch, staff, patron)
    recommend_in(session)
    answer = answer_with(ConversationFactory(help_session=session), "Hidden", by=staff)
    urls = {
        reverse("desk_conversation", args=[answer.conversation.public_id]): share_url(answer),
        reverse("desk_session", args=[session.public_id]): reverse("share_session", args=[session.public_id]),
    }
    for page, url in urls.items():
        assert OFFER not in text(desk.get(page))
        for response in (desk.get(url, follow=True), desk.post(url, CHOICES, follow=True)):
            assert REFUSED in text(response)
    assert StaffLink.objects.count() == 0


@pytest.mark.parametrize("what", ["merged", "topic", "contact", "contact of a child"])
def test_items_cannot_be_shared_if_any_part_of_their_conversation_is_private(
    desk, conversation, answer, branch, staff, patron, what
):
    sensitive = TopicFactory(never_by_message=True)
    if what == "merged":
        session = _private("about a sensitive topic", branch, staff, patron)
        ConversationFactory(help_session=session, merged_into=conversation, status="closed")
    elif what == "topic":
        conversation.topic = sensitive
    elif what == "contact":
        conversation.logged_as = HelpSessionFactory(branch=branch, staff=staff, topic=sensitive)
    else:
        conversation.logged_as = HelpSessionFactory(branch=branch, staff=staff, with_child="own")
    conversation.save()
    page = desk.post(share_url(answer), CHOICES, follow=True)
    assert REFUSED in text(page)
    assert StaffLink.objects.count() == 0


def test_items_of_a_conversation_without_a_visit_can_be_shared(desk, answer, conversation):
    conversation.help_session = None
    conversation.save()
    assert titles(Client().get(address_of(make(desk, share_url(answer))))) == ["Snow country", "Blue book"]


def test_access_log_of_the_patron_records_the_opened_preview_but_not_the_new_link(
    desk, answer, session, patron, staff
):
    recommend_in(session)
    desk.get(share_url(answer))
    desk.get(reverse("share_session", args=[session.public_id]))
    events = AuditEvent.objects.filter(action="opened", by=staff, patron=patron).order_by("pk")
    subjects = [str(answer.conversation.public_id), str(session.public_id)]
    assert list(events.values_list("subject", flat=True)) == subjects
    link = make(desk, share_url(answer))
    event = AuditEvent.objects.get(action="made_staff_link")
    assert (event.by, event.patron, event.subject) == (staff, None, str(link.public_id))


# Tests of the form on the preview page.


@pytest.mark.parametrize("days", ["", "8", "x"])
def test_invalid_number_of_days_is_refused_and_makes_no_link(desk, answer, days):
    response = desk.post(share_url(answer), {"days": days})
    assert (response.status_code, StaffLink.objects.count()) == (422, 0)
    assert titles(response) == ["Snow country", "Blue book"]


def test_link_works_for_90_days_unless_staff_choose_otherwise(desk, library, answer, time_machine):
    assert 'value="90" selected' in desk.get(share_url(answer)).content.decode()
    for days in links.DAYS:
        link = make(desk, share_url(answer), days=str(days))
        assert link.last_day == library.today() + timedelta(days=days)
    time_machine.move_to(link.ends_at - timedelta(seconds=1), tick=False)
    assert Client().get(address_of(link)).status_code == 200
    time_machine.move_to(link.ends_at, tick=False)
    assert Client().get(address_of(link)).status_code == 404


def test_pressing_the_make_the_link_button_twice_makes_one_link(desk, answer):
    first, second = (token_in(desk.get(share_url(answer))) for _preview in range(2))
    made = {make(desk, share_url(answer), client_token=first).pk for _tap in range(2)}
    assert len(made) == StaffLink.objects.count() == 1
    assert AuditEvent.objects.filter(action="made_staff_link").count() == 1
    make(desk, share_url(answer), client_token=second)
    assert StaffLink.objects.count() == 2


def test_posting_a_colleagues_form_token_does_not_return_the_colleagues_link(desk, answer, coordinator):
    token = uuid.uuid4()
    theirs = link_to(by=coordinator, client_token=token)
    assert make(desk, share_url(answer), client_token=token) != theirs


def test_staff_member_has_at_most_100_working_links(desk, answer, staff, branch):
    now = timezone.now()
    StaffLink.objects.bulk_create(
        StaffLink(made_by=staff, branch=branch, made_at=now, ends_at=now + timedelta(days=1))
        for _ in range(MAX_STAFF_LINKS)
    )
    response = desk.post(share_url(answer), CHOICES)
    assert response.status_code == 422
    assert "You have 100 links, and that is the limit. End a link first." in text(response)
    end_staff_link(StaffLink.objects.first(), by=staff, at=now)
    make(desk, share_url(answer))


def test_staff_can_make_at_most_sixty_links_an_hour(desk, answer, staff):
    for _ in range(60):
        end_staff_link(make(desk, share_url(answer)), by=staff, at=timezone.now())
    response = desk.post(share_url(answer), CHOICES)
    assert (response.status_code, "tried too many times" in text(response)) == (429, True)


# Tests of managing links.


def test_staff_can_change_and_end_a_link_that_they_made(desk, staff):
    link = link_to("Snow country", by=staff)
    address, page = address_of(link), reverse("desk_link", args=[link.public_id])
    assert address in part(desk.get(page), "shared-text")
    assert desk.post(page, {"days": "7"}).url == page
    link.refresh_from_db()
    assert link.last_day == timezone.localdate() + timedelta(days=7)
    assert desk.post(page, {"days": "8"}).status_code == 422

    ended = desk.post(reverse("end_desk_link", args=[link.public_id]), follow=True)
    assert "The link has ended. Nobody can open it anymore." in text(ended)
    assert Client().get(address).status_code == 404
    link.refresh_from_db()
    assert (link.token_hmac, link.token_sealed, link.items.count()) == (None, "", 0)
    after = desk.get(page)
    assert "Ended on" in text(after)
    assert [word for word in ("Snow country", "/shared/") if word in after.content.decode()] == []
    assert "This link has already ended." in text(desk.post(page, {"days": "365"}, follow=True))
    assert Client().get(address).status_code == 404
    desk.post(reverse("end_desk_link", args=[link.public_id]))
    actions = ["made_staff_link", "changed_staff_link", "ended_staff_link"]
    events = AuditEvent.objects.filter(subject=str(link.public_id)).order_by("pk")
    assert list(events.values_list("action", flat=True)) == actions


def test_only_the_maker_and_coordinators_of_the_branch_can_manage_a_link(
    staff, coordinator, branch, elsewhere, patron, sign_in
):
    link = link_to("Snow country", by=staff)
    far = StaffFactory(branch=elsewhere.roles[0].branch, branch__role="coordinator")
    colleague = StaffFactory(branch=branch)
    may = {staff: True, coordinator: True, colleague: False, elsewhere: False, far: False, patron: False}
    page, end = (reverse(name, args=[link.public_id]) for name in ("desk_link", "end_desk_link"))
    for person, allowed in may.items():
        browser = sign_in(Client(), person)
        assert browser.get(page).status_code == (200 if allowed else 404), person
        listed = browser.get(reverse("desk_links"))
        assert ("Snow country" in text(listed)) == allowed, person
        if not allowed:
            assert browser.post(page, CHOICES).status_code == 404
            assert browser.post(end).status_code == 404
    assert StaffLink.objects.get().ended_at is None
    browser = sign_in(Client(), coordinator)
    assert f"Made by {staff.display_name} · {branch}" in text(browser.get(page))
    browser.post(end)
    assert StaffLink.objects.get().ended_at is not None


def test_link_of_a_staff_member_who_left_works_until_a_coordinator_ends_the_link(staff, coordinator, sign_in):
    link = link_to("Snow country", by=staff)
    staff.staff_roles.all().delete()
    staff.is_active = False
    staff.save()
    assert Client().get(address_of(link)).status_code == 200
    browser = sign_in(Client(), coordinator)
    assert browser.post(reverse("end_desk_link", args=[link.public_id])).status_code == 302
    staff.delete()
    page = browser.get(reverse("desk_link", args=[link.public_id]))
    assert (page.status_code, "Made by" in text(page)) == (200, False)


@pytest.mark.parametrize("rows", [1, 20])
def test_list_of_links_runs_the_same_number_of_queries_for_1_and_20_links(
    desk, staff, rows, django_assert_num_queries
):
    for number in range(rows):
        link_to(f"First {number}", f"Second {number}", by=staff)
    page = reverse("desk_links")
    desk.get(page)
    with django_assert_num_queries(8):
        assert text(desk.get(page)).count("2 items") == rows


def test_list_of_links_is_paginated(desk, staff):
    for number in range(23):
        link_to(f"Item {number}", by=staff, at=timezone.now() - timedelta(minutes=number))
    page = desk.get(reverse("desk_links"))
    older = re.search(r'href="(\?after=[^"]+)"', page.content.decode())[1]
    assert "You have 23 working links. You can have 100." in text(page)
    second = text(desk.get(reverse("desk_links") + older))
    assert [number for number in range(23) if f"Item {number} " in second] == [20, 21, 22]


# Tests of the page that visitors see.


@pytest.mark.parametrize("rows", [1, 20])
def test_page_of_shared_items_runs_the_same_number_of_queries_for_1_and_20_items(
    staff, rows, django_assert_num_queries
):
    link = link_to(*(f"Title {number}" for number in range(rows)), by=staff)
    Client().get(address_of(link))
    with django_assert_num_queries(8):
        assert len(titles(Client().get(address_of(link)))) == rows


def test_page_of_shared_items_is_never_indexed_or_cached_and_has_a_request_limit(staff):
    address, browser = address_of(link_to(by=staff)), Client()
    page = browser.get(address)
    assert page.headers["X-Robots-Tag"] == "noindex"
    assert page.headers["Cache-Control"] == "no-store"
    assert '<meta name="robots" content="noindex, nofollow">' in page.content.decode()
    assert page.cookies == {}
    for _ in range(119):
        assert browser.get(address).status_code == 200
    refused = browser.get(address)
    assert (refused.status_code, "Snow country" in refused.content.decode()) == (429, False)


def test_visitor_can_copy_the_items_of_a_staff_link_to_their_own_list(staff, sign_in):
    link, visitor = link_to("Snow country", "Blue book", by=staff), UserFactory()
    them = sign_in(Client(), visitor)
    page = f"{address_of(link)}copy/"
    assert "2 titles will be copied." in text(them.get(page))
    them.post(page, {"name": "For me"})
    made = SavedList.objects.get(patron=visitor)
    rows = made.saved_items.in_order()
    assert [(row.item.title, row.note, row.recommendation) for row in rows] == [
        ("Snow country", "", None),
        ("Blue book", "", None),
    ]


def test_staff_link_still_works_after_the_secret_key_changes(staff, settings):
    link = link_to(by=staff)
    address, old = address_of(link), settings.SECRET_KEY
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "n" * 60, [old]
    seal_links_anew(at=timezone.now())
    settings.SECRET_KEY_FALLBACKS = []
    link.refresh_from_db()
    assert address_of(link) == address
    assert Client().get(address).status_code == 200


# Tests of links whose patron, conversation or visit was deleted, and of links that have ended.


def everything_about(link):
    """Return all values of the database rows of the link and its items."""
    return (
        list(StaffLink.objects.filter(pk=link.pk).values()),
        list(StaffLinkItem.objects.filter(link=link).order_by("pk").values()),
    )


@pytest.mark.parametrize("gone", ["person erased", "conversation deleted", "visit deleted"])
def test_link_does_not_change_after_its_visit_or_conversation_or_patron_is_deleted(
    desk, answer, conversation, session, patron, gone
):
    link = make(desk, share_url(answer))
    manage = reverse("desk_link", args=[link.public_id])
    desk.get(manage)  # The first page shows a message that the link was made. Later pages do not.
    before = everything_about(link), part(Client().get(address_of(link)), "shown"), text(desk.get(manage))
    if gone == "person erased":
        erase(patron, language="en", at=timezone.now())
    elif gone == "conversation deleted":
        conversation.delete()
    else:
        session.delete()
    after = everything_about(link), part(Client().get(address_of(link)), "shown"), text(desk.get(manage))
    assert [one == other for one, other in zip(before, after, strict=True)] == [True, True, True]
    ids = {str(row.pk) for row in (answer, conversation, session, patron)}
    ids |= {str(row.public_id) for row in (answer, conversation, session, patron)}
    columns = {str(value) for name, value in everything_about(link)[0][0].items() if name.endswith("_id")}
    assert columns == {str(link.public_id), str(link.made_by_id), str(link.branch_id)}
    assert not {str(answer.public_id), str(conversation.public_id)} & columns
    page = desk.get(manage).content.decode()
    assert [each for each in ids if len(each) > 30 and each in page] == []


def test_ended_links_are_deleted_after_seven_days(staff):
    now = timezone.now()
    kept, ended, over, fresh = (link_to(f"Item {number}", by=staff) for number in range(4))
    end_staff_link(ended, by=staff, at=now - timedelta(days=8))
    end_staff_link(fresh, by=staff, at=now - timedelta(days=6))
    StaffLink.objects.filter(pk=over.pk).update(ends_at=now - timedelta(days=8))
    assert forget_staff_links(at=now)
    assert set(StaffLink.objects.all()) == {kept, fresh}
    assert set(StaffLinkItem.objects.values_list("link", flat=True)) == {kept.pk}


def test_working_links_of_a_staff_member_exclude_ended_links_and_links_of_colleagues(staff, coordinator):
    working, ended = link_to(by=staff), link_to(by=staff)
    link_to(by=coordinator)
    end_staff_link(ended, by=staff, at=timezone.now())
    assert list(staff_links.working_staff_links(staff, timezone.now())) == [working]
