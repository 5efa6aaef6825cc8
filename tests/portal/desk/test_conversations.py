import datetime
import gzip
import re
import uuid
from html import unescape
from urllib.parse import quote, urlencode

import pytest
from django.utils import timezone

from accounts.models import AuditEvent
from portal.conversations.models import (
    Conversation,
    ConversationNote,
    DeskEvent,
    Event,
    Message,
    Participation,
)
from recommendations.models import Holding, Recommendation
from tests.factories import (
    BranchFactory,
    ConversationFactory,
    HelpSessionFactory,
    ItemFactory,
    MessageFactory,
    SessionNoteFactory,
    StaffFactory,
    attach_to,
    recommend_in,
    recommend_in_message,
)

pytestmark = pytest.mark.usefixtures("at_noon")


@pytest.fixture
def session(staff, branch, patron):
    return HelpSessionFactory(staff=staff, branch=branch, patron=patron)


@pytest.fixture
def conversation(session):
    conversation = ConversationFactory(help_session=session)
    MessageFactory(
        conversation=conversation,
        body="It is checked out",
        language="es",
        sent_at=timezone.now() - datetime.timedelta(hours=2),
    )
    return conversation


def address(conversation, part=""):
    return f"/desk/conversations/{conversation.public_id}/{part}"


def shown(response):
    return response.content.decode()


def answer(conversation, **changes):
    seen = conversation.messages.in_order().last()
    fields = {
        "client_token": str(uuid.uuid4()),
        "sequence": "0",
        "seen": str(seen.pk if seen else 0),
        "body": "There is another copy.",
        "language": "en",
    }
    return {**fields, "items-TOTAL_FORMS": "0", "items-INITIAL_FORMS": "0", "action": "send", **changes}


def newest_entry(page):
    return re.sub(
        r'name="csrfmiddlewaretoken" value="\w+"',
        "",
        re.findall(r'<li class="message .*?</li>', page, re.DOTALL)[-1],
    )


def test_conversation_page_shows_messages_with_the_visit_and_its_recommended_items(
    desk, conversation, session, item
):
    recommend_in(
        session, item=item, verdict="could_not_get_it", decided_at=timezone.now(), comment="Three holds"
    )
    page = shown(desk.get(address(conversation)))
    for words in (
        "It is checked out",
        "To Kill a Mockingbird",
        "Could not get the item",
        "Three holds",
        session.summary,
        "Sam Okafor",
    ):
        assert words in page


def test_composer_preselects_the_language_of_the_question(desk, conversation):
    assert '<option value="es" selected>' in shown(desk.get(address(conversation)))


def test_access_log_has_one_entry_for_reading_and_answering_a_conversation(desk, conversation, staff, patron):
    desk.get(address(conversation))
    desk.post(address(conversation, "reply/"), answer(conversation), headers={"HX-Request": "true"})
    assert list(AuditEvent.objects.filter(action="opened").values_list("by", "patron", "subject")) == [
        (staff.pk, patron.pk, str(conversation.public_id))
    ]


@pytest.mark.parametrize(
    ("part", "fields"),
    [("reply/", {"action": "find"}), ("reply/", {"body": ""}), ("reply/", {"action": "discard"})],
)
def test_access_log_records_a_conversation_that_staff_see_after_posting_a_form(
    desk, conversation, staff, patron, part, fields
):
    MessageFactory(conversation=conversation, body="Read me")
    assert "Read me" in shown(desk.post(address(conversation, part), fields))
    assert (
        AuditEvent.objects.filter(
            action="opened", by=staff, patron=patron, subject=str(conversation.public_id)
        ).count()
        == 1
    )


def test_answer_posted_three_times_is_sent_once(desk, conversation, staff):
    fields = answer(conversation)
    for _ in range(3):
        assert desk.post(address(conversation, "reply/"), fields).status_code == 302
    sent = Message.objects.get(side="staff")
    assert (sent.body, sent.author, sent.language) == ("There is another copy.", staff, "en")
    conversation.refresh_from_db()
    assert conversation.status == "waiting_for_patron"


def test_htmx_response_to_an_answer_matches_a_page_reload(desk, conversation):
    part = shown(
        desk.post(address(conversation, "reply/"), answer(conversation), headers={"HX-Request": "true"})
    )
    assert "<html" not in part
    assert part.strip().startswith('<form method="post"')
    assert part.count("There is another copy.") == 1
    assert 'data-announce="Sent."' in part
    assert newest_entry(part) == newest_entry(shown(desk.get(address(conversation))))


def test_htmx_response_to_an_answer_has_at_most_5900_compressed_bytes(desk, conversation):
    MessageFactory.create_batch(
        30,
        conversation=conversation,
        body="Long words " * 100,
        sent_at=timezone.now() - datetime.timedelta(hours=1),
    )
    part = desk.post(address(conversation, "reply/"), answer(conversation), headers={"HX-Request": "true"})
    assert len(gzip.compress(part.content)) <= 5_900


def test_empty_answer_is_a_form_error_and_the_items_are_shown_again(desk, conversation, item):
    fields = answer(
        conversation,
        body="  ",
        **{"items-TOTAL_FORMS": "1", "items-0-item": item.public_id, "items-0-reason": "still here"},
    )
    page = desk.post(address(conversation, "reply/"), fields)
    assert page.status_code == 422
    assert "Write your answer first." in shown(page)
    assert "still here" in shown(page)


def test_items_recommended_in_an_answer_are_saved_with_their_reasons(desk, conversation, item, patron):
    rows = {
        "items-TOTAL_FORMS": "2",
        "items-0-item": item.public_id,
        "items-0-reason": "on the shelf",
        "items-0-starred": "on",
        "items-1-kind": "course",
        "items-1-title": "Thursday club",
        "items-1-reason": "practice",
    }
    desk.post(address(conversation, "reply/"), answer(conversation, **rows))
    given = [(r.item.title, r.reason, r.patron) for r in Recommendation.objects.order_by("pk")]
    assert given == [("To Kill a Mockingbird", "on the shelf", patron), ("Thursday club", "practice", patron)]
    assert "on the shelf" in shown(desk.get(address(conversation)))
    assert "on the shelf" in shown(
        desk.post(
            address(conversation, "reply/"), answer(conversation, body="More"), headers={"HX-Request": "true"}
        )
    )


def test_finding_and_picking_an_item_without_javascript_keeps_the_answer(desk, conversation, item):
    found = desk.post(address(conversation, "reply/"), answer(conversation, q="mockingbird", action="find"))
    assert f"pick-{item.public_id}" in shown(found)
    picked = desk.post(address(conversation, "reply/"), answer(conversation, action=f"pick-{item.public_id}"))
    assert "There is another copy." in shown(picked)
    assert [row["item"] for row in picked.context["picker"].rows] == [str(item.public_id)]
    assert not conversation.messages.filter(side="staff").exists()


def test_htmx_response_to_picking_an_item_contains_only_the_item_picker(desk, conversation, item):
    found = shown(desk.get("/desk/items/", {"q": "mockingbird", "conversation": conversation.public_id}))
    assert f'hx-post="{address(conversation, "reply/")}"' in found
    part = shown(
        desk.post(
            address(conversation, "reply/"),
            answer(conversation, action=f"pick-{item.public_id}"),
            headers={"HX-Request": "true"},
        )
    )
    assert part.strip().startswith('<section id="items"')
    assert str(item.public_id) in part


@pytest.mark.parametrize("action", ["find", "by_hand", "remove-1", "up-1"])
def test_htmx_response_to_each_button_of_the_item_picker_contains_only_the_item_picker(
    desk, conversation, item, action
):
    items = {"items-TOTAL_FORMS": 2, "items-0-item": ItemFactory().public_id, "items-1-item": item.public_id}
    part = desk.post(
        address(conversation, "reply/"),
        answer(conversation, action=action) | items,
        headers={"HX-Request": "true"},
    )
    assert shown(part).strip().startswith('<section id="items"')


def test_answer_is_not_sent_before_the_writer_has_seen_a_colleagues_newer_answer(desk, conversation, branch):
    fields = answer(conversation)
    omar = StaffFactory(name="Omar", branch=branch)
    MessageFactory(
        conversation=conversation,
        side="staff",
        author=omar,
        body="I ordered it",
        sent_at=timezone.now() - datetime.timedelta(minutes=1),
    )
    page = shown(desk.post(address(conversation, "reply/"), fields))
    for words in ("Omar answered 1\xa0minute ago:", "There is another copy.", "Send anyway", "I ordered it"):
        assert words in page
    assert conversation.messages.filter(side="staff").count() == 1
    desk.post(address(conversation, "reply/"), {**fields, "action": "send_anyway"})
    assert [m.body for m in conversation.messages.filter(side="staff").order_by("sent_at")] == [
        "I ordered it",
        "There is another copy.",
    ]


def test_answer_to_a_verdict_is_not_sent_if_a_colleague_answered_first(desk, session, branch):
    conversation = ConversationFactory(help_session=session, reason="did_not_help")
    fields = answer(conversation)
    MessageFactory(
        conversation=conversation,
        side="staff",
        author=StaffFactory(name="Omar", branch=branch),
        body="Try this",
    )
    assert "Omar answered" in shown(desk.post(address(conversation, "reply/"), fields))


def test_closed_conversation_is_reopened_by_an_answer(desk, conversation):
    desk.post(address(conversation, "close/"))
    conversation.refresh_from_db()
    assert conversation.status == "closed"
    page = shown(desk.get(address(conversation)))
    assert "Closed by Rosa Lindqvist" in page
    assert "Send and reopen" in page
    desk.post(address(conversation, "reply/"), answer(conversation))
    assert "This conversation was opened again" in shown(desk.get(address(conversation)))


@pytest.mark.few_cases
@pytest.mark.parametrize(("part", "method"), [("", "get"), ("reply/", "post"), ("close/", "post")])
@pytest.mark.parametrize(("who", "status"), [("elsewhere", 404), ("patron", 404)])
def test_staff_of_another_branch_and_patrons_get_404_for_a_conversation(
    client, sign_in, request, conversation, part, method, who, status
):
    sign_in(client, request.getfixturevalue(who))
    assert getattr(client, method)(address(conversation, part), answer(conversation)).status_code == status
    conversation.refresh_from_db()
    assert (conversation.status, conversation.messages.count()) == ("waiting_for_staff", 1)


def test_staff_note_of_a_visit_is_not_shown_on_the_conversation_page(desk, conversation, session):
    SessionNoteFactory(help_session=session, body="STAFF ONLY")
    assert "STAFF ONLY" not in shown(desk.get(address(conversation)))


@pytest.mark.slow
@pytest.mark.parametrize("count", [3, 30, 300])
def test_conversation_page_runs_the_same_number_of_queries_for_any_number_of_messages(
    desk, conversation, session, branch, staff, count, django_assert_num_queries
):
    omar = StaffFactory(name="Omar", branch=branch)
    recommend_in(session, 3, question_type="known_item")
    MessageFactory.create_batch(count, conversation=conversation)
    recommend_in_message(conversation.messages.last(), 3, question_type="known_item")
    attach_to(conversation.messages.last())
    for _ in range(count):
        ConversationNote.objects.create(
            conversation=conversation,
            author=omar,
            body="A note",
            written_at=timezone.now(),
            client_token=uuid.uuid4(),
        )
        DeskEvent.objects.create(conversation=conversation, kind="taken", by=omar, at=timezone.now())
    Participation.objects.create(conversation=conversation, person=omar, side="staff", seen_at=timezone.now())
    Participation.objects.create(
        conversation=conversation, person=staff, side="staff", read_until=timezone.now()
    )
    answered(conversation)
    with django_assert_num_queries(15):
        page = shown(desk.get(address(conversation)))
    assert "Omar took this conversation" in page
    assert "Omar is looking at this conversation too." in page


def test_item_at_two_branches_is_shown_once_with_both_call_numbers(desk, conversation, session, branch):
    nearby = BranchFactory(name="Aldergate")
    [given, other] = (
        recommend_in(session, item=ItemFactory(title="Worms <eat> my garbage")),
        ItemFactory(title="Nowhere to be found"),
    )
    recommend_in(session, item=other)
    for place in (branch, nearby):
        Holding.objects.create(item=given[0].item, branch=place, call_number="631.875 APP")
    page = shown(desk.get(address(conversation)))
    [line] = re.findall(r"<strong[^>]*>Worms &lt;eat&gt; my garbage</strong>(?:</a>)? (<span.*?)</p>", page)
    assert re.sub("<[^>]+>", "", line).split(" · ")[-2:] == [
        "631.875 APP Aldergate",
        f"631.875 APP {branch.name}",
    ]
    [line] = re.findall(r"<strong[^>]*>Nowhere to be found</strong>(?:</a>)? (<span.*?)</p>", page)
    assert "call" not in line


# Tests of the timeline.


def opened_before(conversation, staff, read_until):
    Participation.objects.create(conversation=conversation, person=staff, side="staff", read_until=read_until)


def answered(conversation):
    Conversation.objects.filter(pk=conversation.pk).update(status="waiting_for_patron", waiting_since=None)


def shown_messages(page):
    return re.findall(r'id="(message-[^"]+)"', page)


@pytest.mark.slow
def test_long_conversation_shows_the_newest_messages_and_links_to_earlier_ones(desk, conversation):
    at = timezone.now() - datetime.timedelta(hours=1)
    said = [
        MessageFactory(
            conversation=conversation, body=f"Word {n}", sent_at=at + datetime.timedelta(minutes=n)
        )
        for n in range(50)
    ]
    page = shown(desk.get(address(conversation)))
    assert shown_messages(page) == [f"message-{message.public_id}" for message in said[-12:]]
    link = unescape(re.search(r'id="earlier" href="([^"]+)"', page)[1])
    assert link == f"?from={said[38].public_id}#message-{said[38].public_id}"
    earlier = shown(desk.get(address(conversation) + link.partition("#")[0]))
    assert shown_messages(earlier) == [f"message-{message.public_id}" for message in said[-24:]]


def test_link_to_an_old_message_shows_that_message(desk, conversation):
    MessageFactory.create_batch(50, conversation=conversation)
    first = conversation.messages.in_order().first()
    assert first.body not in shown(desk.get(address(conversation)))
    page = shown(desk.get(f"{address(conversation)}?from={first.public_id}"))
    assert f'href="?from={first.public_id}#message-{first.public_id}"' in page


@pytest.mark.parametrize("start", ["", "x", "00000000-0000-0000-0000-000000000000"])
def test_link_to_an_unknown_message_shows_the_newest_messages(desk, conversation, start):
    MessageFactory.create_batch(30, conversation=conversation)
    answered(conversation)
    assert len(shown_messages(shown(desk.get(f"{address(conversation)}?from={start}")))) == 12


@pytest.mark.slow
@pytest.mark.parametrize(("unread", "shows"), [(3, 12), (40, 40), (300, 60)])
def test_conversation_page_opens_at_the_first_unread_message(desk, conversation, staff, unread, shows):
    at = timezone.now() - datetime.timedelta(hours=1)
    said = [
        MessageFactory(conversation=conversation, sent_at=at + datetime.timedelta(seconds=n))
        for n in range(320)
    ]
    opened_before(conversation, staff, said[319 - unread].sent_at)
    page = shown(desk.get(address(conversation)))
    assert len(shown_messages(page)) == shows
    first = said[max(320 - unread, 320 - shows)]
    assert (
        re.search(r'id="first-unread".*?id="(message-[^"]+)"', page, re.DOTALL)[1]
        == f"message-{first.public_id}"
    )
    assert 'data-opens-at="first-unread"' in page
    assert "first-unread" not in shown(desk.get(address(conversation)))


def test_staff_members_own_answer_is_not_marked_as_new(desk, conversation, staff):
    opened_before(conversation, staff, timezone.now() - datetime.timedelta(hours=1))
    MessageFactory(
        conversation=conversation,
        side="staff",
        author=staff,
        sent_at=timezone.now() - datetime.timedelta(minutes=5),
    )
    assert "New since you last opened this page" not in shown(desk.get(address(conversation)))


def test_messages_that_only_a_colleague_has_read_are_still_marked_as_new(desk, conversation, staff, branch):
    opened_before(conversation, StaffFactory(branch=branch), timezone.now())
    opened_before(conversation, staff, timezone.now() - datetime.timedelta(days=1))
    assert "New since you last opened this page" in shown(desk.get(address(conversation)))


def test_html_of_each_message_has_the_language_of_the_message(desk, conversation):
    MessageFactory(conversation=conversation, body="مرحبا", language="ar")
    page = shown(desk.get(address(conversation)))
    assert '<div class="bubble prose" lang="es" dir="auto"><p dir="auto">It is checked out' in page
    assert '<div class="bubble prose" lang="ar" dir="auto"><p dir="auto">مرحبا' in page


def test_timeline_shows_messages_and_notes_and_events_in_order(desk, conversation, staff):
    at = timezone.now() - datetime.timedelta(hours=1)
    DeskEvent.objects.create(conversation=conversation, kind="taken", by=staff, at=at)
    MessageFactory(
        conversation=conversation,
        side="staff",
        author=staff,
        body="An answer",
        sent_at=at + datetime.timedelta(minutes=1),
    )
    ConversationNote.objects.create(
        conversation=conversation,
        author=staff,
        body="A note",
        written_at=at + datetime.timedelta(minutes=2),
        client_token=uuid.uuid4(),
    )
    Event.objects.create(
        conversation=conversation,
        kind="closed",
        side="patron",
        at=at + datetime.timedelta(minutes=3),
        shown_from=at,
    )
    page = shown(desk.get(address(conversation)))
    page = page[page.index('id="entries"') :]
    assert sorted(ORDER, key=page.index) == ORDER


ORDER = [
    "It is checked out",
    "Rosa Lindqvist took this conversation",
    "An answer",
    "A note",
    "Closed by the patron with “I have what I need”",
]


@pytest.mark.few_cases
@pytest.mark.parametrize(
    ("event", "words"),
    [
        ({"kind": "taken"}, "Rosa took this conversation"),
        ({"kind": "taken", "was": "Omar"}, "Rosa took this conversation from Omar"),
        ({"kind": "assigned", "to": "Ali"}, "Rosa assigned this conversation to Ali"),
        ({"kind": "assigned", "to": "Ali", "was": "Rosa"}, "Rosa assigned this conversation to Ali"),
        (
            {"kind": "assigned", "to": "Ali", "was": "Omar"},
            "Rosa reassigned this conversation from Omar to Ali",
        ),
        ({"kind": "unassigned", "was": "Rosa"}, "Rosa is no longer assigned to this conversation"),
        ({"kind": "unassigned", "was": "Omar"}, "Rosa unassigned Omar from this conversation"),
        (
            {"kind": "released", "was": "Omar", "by": None},
            "Unassigned, because Omar didn&#x27;t answer in time",
        ),
        ({"kind": "handed_over", "branch": "East"}, "Rosa transferred this conversation to East"),
        (
            {"kind": "snoozed", "until": datetime.date(2026, 3, 6)},
            "Rosa snoozed this conversation until Friday, March 6",
        ),
        ({"kind": "woken"}, "Rosa put this conversation back in the queue"),
        ({"kind": "woken", "by": None}, "Back in the queue, because the snooze ended"),
        ({"kind": "closed"}, "Rosa closed this conversation. Nobody had written in it."),
        ({"kind": "logged"}, "Rosa counted this conversation as a contact"),
    ],
)
def test_desk_event_is_described_in_plain_words(desk, conversation, branch, event, words):
    people = {name: StaffFactory(name=name, branch=branch) for name in ("Rosa", "Omar", "Ali")}
    fields = {"by": "Rosa", **event}
    for name in {"by", "to", "was"} & {*fields}:
        fields[name] = people.get(fields[name])
    if "branch" in fields:
        fields["branch"] = BranchFactory(name="East")
    DeskEvent.objects.create(conversation=conversation, at=timezone.now(), **fields)
    assert f">{words} · " in shown(desk.get(address(conversation)))


@pytest.mark.few_cases
@pytest.mark.parametrize(
    ("event", "words"),
    [
        ({"kind": "reopened", "side": "patron"}, "This conversation was opened again"),
        ({"kind": "closed", "side": "patron"}, "Closed by the patron with “I have what I need”"),
        ({"kind": "closed", "side": "staff"}, "Closed by the library"),
        (
            {"kind": "closed_by_itself", "side": "staff"},
            "Closed automatically, because the patron didn't write again",
        ),
        ({"kind": "joined", "side": "staff"}, "Another conversation was merged into this one"),
    ],
)
def test_conversation_event_is_described_in_plain_words(desk, conversation, event, words):
    Event.objects.create(conversation=conversation, at=timezone.now(), shown_from=timezone.now(), **event)
    assert f">{words} · " in unescape(shown(desk.get(address(conversation))))


LONG_AGO = "2001-01-01T00:00:00+00:00"
# All requests whose responses show messages, except the conversation page.
REQUESTS_THAT_SHOW_MESSAGES = {
    "news": lambda desk, at: desk.get(
        f"{at}news/?since=&at={quote(LONG_AGO)}", headers={"HX-Request": "true"}
    ),
    "the composer": lambda desk, at: desk.post(
        f"{at}reply/", {"action": "send", "at": LONG_AGO}, headers={"HX-Request": "true"}
    ),
    "what a writer has not seen": lambda desk, at: desk.post(
        f"{at}reply/",
        {
            "action": "send",
            "seen": "0",
            "body": "It is back",
            "language": "en",
            "client_token": str(uuid.uuid4()),
        },
        headers={"HX-Request": "true"},
    ),
    "logging": lambda desk, at: desk.get("/desk/record/", {"conversation": at.split("/")[3]}),
}


@pytest.mark.parametrize("way", REQUESTS_THAT_SHOW_MESSAGES)
def test_every_request_that_shows_messages_is_in_the_access_log(desk, conversation, staff, patron, way):
    said = REQUESTS_THAT_SHOW_MESSAGES[way](desk, f"/desk/conversations/{conversation.public_id}/")
    assert "It is checked out" in shown(said)
    assert list(AuditEvent.objects.filter(action="opened").values_list("by", "patron", "subject")) == [
        (staff.pk, patron.pk, str(conversation.public_id))
    ]


@pytest.mark.parametrize(
    "moment",
    ["0001-01-01T00:00:00+14:00", "0001-01-01T00:00:00+00:00", "9999-12-31T23:59:59-14:00", "9" * 5000],
)
def test_invalid_times_and_numbers_in_requests_cause_no_server_error(desk, conversation, moment):
    at, part = f"/desk/conversations/{conversation.public_id}/", {"HX-Request": "true"}
    answers = [
        desk.get(f"{at}news/", {"since": "", "at": moment}, headers=part),
        desk.post(f"{at}reply/", {"action": "send", "at": moment}, headers=part),
        desk.get("/desk/queue/news/", {"drawn": moment}, headers=part),
        desk.post(f"{at}undo/?{urlencode({'done': moment})}"),
        desk.post(f"{at}reply/", {"action": f"remove-{moment}"}),
        desk.post("/desk/queue/bulk/", {"conversation": f"{conversation.public_id}.{moment}", "do": "close"}),
    ]
    assert [answer.status_code < 500 for answer in answers] == [True] * 6


def test_old_url_of_a_conversation_redirects_with_the_same_method_and_query(desk, conversation):
    page, reply = f"/desk/threads/{conversation.public_id}/", f"/desk/threads/{conversation.public_id}/reply/"
    found = [desk.get(page, {"from": "1"}), desk.post(reply, {"body": "Typed before the upgrade"})]
    assert [(answer.status_code, answer["Location"]) for answer in found] == [
        (308, f"/desk/conversations/{conversation.public_id}/?from=1"),
        (308, f"/desk/conversations/{conversation.public_id}/reply/"),
    ]


@pytest.mark.parametrize(("old", "new"), [("hand-on", "assign"), ("join", "merge")])
def test_old_url_of_a_conversation_action_redirects_to_the_new_url(desk, conversation, old, new):
    answer = desk.post(f"/desk/threads/{conversation.public_id}/{old}/")
    assert answer["Location"] == f"/desk/conversations/{conversation.public_id}/{new}/"
