import re
from datetime import date, timedelta

import pytest
from django.test import Client
from django.utils import timezone

from portal.helpsessions.search import index
from portal.kits.actions import make_kit
from portal.kits.models import ItemCount
from recommendations.chosen_items import ChosenItem
from recommendations.models import Item, NextStep
from tests.factories import (
    ChildFactory,
    HelpSessionFactory,
    ItemFactory,
    QuietSessionFactory,
    SharedSessionFactory,
    StaffFactory,
    TopicFactory,
    UserFactory,
    recommend_in,
)
from tests.portal.pages import text

pytestmark = pytest.mark.django_db
PART, PAGE = "/desk/asked-before/", "/desk/what-helped/"


@pytest.fixture
def topic():
    return TopicFactory(name="Small business")


@pytest.fixture
def desk(staff, sign_in):
    client = Client()
    sign_in(client, staff)
    return client


def counted(topic, title, *, helped=4, visits=5, bound=0.5, day=date(2026, 5, 1), **fields):
    item = fields.pop("item", None) or ItemFactory(title=title)
    return ItemCount.objects.create(
        item=item,
        topic=topic,
        question_type=fields.pop("question_type", "reference"),
        helped=helped,
        visits=visits,
        lower_bound=bound,
        latest_on=day,
    )


def part(desk, **data):
    return desk.post(PART, {"question_type": "reference", **data}, headers={"HX-Request": "true"})


def titles(page):
    return re.findall(r'<strong dir="auto">([^<]*)</strong>', page.content.decode())


def test_items_that_helped_are_sorted_by_success_and_then_by_date(desk, topic):
    counted(topic, "Middle", bound=0.4)
    counted(topic, "Best", helped=8, visits=10, bound=0.6)
    counted(topic, "Latest", bound=0.4, day=date(2026, 5, 2))
    counted(topic, "Readers", bound=0.9, question_type="readers_advisory")
    counted(TopicFactory(), "Elsewhere", bound=0.9)
    page = part(desk, topic=topic.pk)
    assert titles(page) == ["Best", "Latest", "Middle"]
    assert "helped in 8 of 10 visits" in text(page)
    readers = part(desk, topic=topic.pk, question_type="readers_advisory")
    assert titles(readers) == ["Readers"]
    assert "liked in 4 of 5 visits" in text(readers)


def test_list_of_what_helped_leaves_out_items_that_staff_can_no_longer_recommend(desk, topic):
    gone, over, never = counted(topic, "Gone"), counted(topic, "Over"), counted(topic, "Never", helped=0)
    Item.objects.filter(pk=gone.item_id).update(retired_at=timezone.now())
    Item.objects.filter(pk=over.item_id).update(kind="event", starts_on=date(2020, 1, 1))
    counted(topic, "Here")
    assert never.helped == 0
    assert titles(part(desk, topic=topic.pk)) == ["Here"]


def test_list_of_what_helped_uses_the_topic_that_the_question_mentions(desk, topic):
    counted(topic, "Plan it")
    page = part(desk, question="How do I start a business?")
    assert titles(page) == ["Plan it"]
    assert "For the topic “Small business”, because the question mentions it." in text(page)
    assert titles(part(desk, question="How do I start?")) == []


def test_each_item_has_a_button_that_adds_the_item_to_the_form(desk, topic):
    row = counted(topic, "Plan it")
    assert f'value="pick-{row.item.public_id}"' in part(desk, topic=topic.pk).content.decode()


def test_list_of_what_helped_shows_kits_that_match_the_topic_or_the_question(desk, staff, branch, topic):
    for name, about in [("Shops", topic), ("Poetry for beginners", None), ("Nothing", TopicFactory())]:
        make_kit(
            branch=branch,
            topic=about,
            language="en",
            name=name,
            description="",
            items=[ChosenItem(item=ItemFactory())],
            by=staff,
            at=timezone.now(),
        )
    assert titles(part(desk, topic=topic.pk)) == ["Shops"]
    assert titles(part(desk, question="some poetry please")) == ["Poetry for beginners"]


def test_list_of_what_helped_shows_past_visits_only_to_the_staff_member_who_recorded_them(
    desk, staff, branch, topic
):
    fields = {"branch": branch, "topic": topic}
    day = timezone.localdate()
    HelpSessionFactory(staff=staff, question="MINE old", happened_on=day - timedelta(days=9), **fields)
    HelpSessionFactory(staff=staff, question="MINE new", happened_on=day, **fields)
    colleague = StaffFactory(branch=branch)
    HelpSessionFactory(staff=colleague, question="A COLLEAGUE", **fields)
    elsewhere = StaffFactory()
    HelpSessionFactory(
        staff=elsewhere, branch=elsewhere.roles[0].branch, topic=topic, question="ANOTHER BRANCH"
    )
    QuietSessionFactory(staff=staff, **fields)
    SharedSessionFactory(staff=staff, question="A CHILD", **fields)
    HelpSessionFactory(staff=None, question="", summary="", forgotten_on=day, **fields)
    page = part(desk, topic=topic.pk).content.decode()
    assert re.findall(r'dir="auto"\s*>([^<]*)</a>', page) == ["MINE new", "MINE old"]


def test_list_of_what_helped_leaves_out_childrens_visits_and_sensitive_topics(desk, staff, branch, topic):
    fields = {"branch": branch, "staff": staff, "question": "compost on a balcony"}
    private = TopicFactory(never_by_message=True)
    for session in (
        HelpSessionFactory(topic=topic, patron=ChildFactory(), **fields),
        HelpSessionFactory(topic=private, **fields),
    ):
        index(session)
    shown = HelpSessionFactory(topic=None, **fields)
    index(shown)
    for about in (topic, private):
        page = part(desk, topic=about.pk, question="compost on a balcony")
        assert page.context["asked"].visits == [shown]


def test_past_visits_with_a_similar_question_are_listed_first(desk, staff, branch, topic):
    fields = {"branch": branch, "staff": staff, "summary": ""}
    alike = HelpSessionFactory(question="Compost on a balcony", **fields)
    other = HelpSessionFactory(question="Compost in a garden", topic=topic, **fields)
    for session in (alike, other):
        index(session)
    page = part(desk, topic=topic.pk, question="How do I keep compost on my balcony?").content.decode()
    assert re.findall(r'dir="auto"\s*>([^<]*)</a>', page) == ["Compost on a balcony", "Compost in a garden"]


def test_list_of_what_helped_is_a_page_of_its_own_without_javascript(desk, topic):
    counted(topic, "Plan it")
    page = desk.get(PAGE, {"topic": topic.pk, "question_type": "reference"})
    assert titles(page) == ["Plan it"]
    assert 'name="action"' not in page.content.decode()
    empty = desk.get(PAGE, {"topic": TopicFactory().pk})
    assert "Nothing yet." in text(empty)


def test_what_helped_button_saves_the_record_form_without_javascript(desk, topic):
    answer = desk.post(
        "/desk/record/", {"action": "what_helped", "topic": topic.pk, "question": "My question"}
    )
    page = desk.get(answer.url)
    back = re.search(r'id="back" href="([^"]+)"', page.content.decode())[1]
    assert "My question" in desk.get(back).content.decode()


def test_words_of_the_question_are_not_stored_or_put_into_links(desk, topic):
    counted(topic, "Plan it")
    page = part(desk, question="SECRETWORD business").content.decode()
    assert "SECRETWORD" not in page
    assert "SECRETWORD" not in str(dict(desk.session))


@pytest.mark.parametrize("count", [1, 30])
def test_list_of_what_helped_runs_the_same_number_of_queries_for_1_and_30_rows(
    desk, staff, branch, topic, count, django_assert_num_queries
):
    for number in range(count):
        counted(topic, f"Book {number}")
        HelpSessionFactory(staff=staff, branch=branch, topic=topic)
    part(desk, topic=topic.pk, question="balcony compost")
    with django_assert_num_queries(11):
        part(desk, topic=topic.pk, question="balcony compost")


TOMORROW = timezone.localdate() + timedelta(days=1)


@pytest.mark.parametrize(
    ("kind", "fields", "shown"),
    [
        ("ordered", {}, "ordered, expected by"),
        ("on_loan", {}, "on loan until"),
        ("reserved", {}, ""),
        ("on_its_way", {}, ""),
        ("ordered", {"promised_on": TOMORROW - timedelta(days=3)}, ""),
        ("ordered", {"arrived_at": timezone.now()}, ""),
        ("ordered", {"quiet": True}, ""),
    ],
)
def test_list_of_what_helped_shows_what_staff_recorded_without_naming_a_patron(
    desk, branch, topic, kind, fields, shown
):
    row = counted(topic, "Starting Small")
    is_quiet = fields.pop("quiet", False)
    [missed] = recommend_in(
        HelpSessionFactory(patron=UserFactory(name="Ada Patron")),
        item=row.item,
        verdict="could_not_get_it",
        decided_at=timezone.now(),
        never_counted=is_quiet,
    )
    step = {"kind": kind, "promised_on": TOMORROW, "recorded_at": timezone.now(), **fields}
    NextStep.objects.create(recommendation=missed, **step)
    words = text(part(desk, topic=topic.pk))
    assert ("ordered, expected by" in words or "on loan until" in words) == bool(shown)
    assert shown in words
    assert "Ada Patron" not in words
    assert "could not get" not in words


def test_patrons_get_404_for_the_pages_about_what_helped_before(client, patron, sign_in):
    sign_in(client, patron)
    assert client.get(PAGE).status_code == client.post(PART).status_code == 404


@pytest.mark.parametrize(
    ("question", "name"),
    [("What is the wifi password?", "What to read next"), ("¿Dónde puedo leer?", "Donde empezar")],
)
def test_topic_is_not_guessed_from_filler_words_in_the_question(desk, question, name):
    counted(TopicFactory(name=name), "A book")
    assert titles(part(desk, question=question)) == []


def test_kits_are_found_by_their_name_and_not_by_their_description(desk, staff, branch):
    make_kit(
        branch=branch,
        topic=None,
        language="en",
        name="First jobs",
        description="For people who have never applied",
        items=[ChosenItem(item=ItemFactory())],
        by=staff,
        at=timezone.now(),
    )
    assert titles(part(desk, question="Where do people apply for a permit?")) == []
    assert titles(part(desk, question="Which jobs are there?")) == ["First jobs"]


def test_list_of_what_helped_opens_without_a_topic_and_links_back_to_the_form(desk):
    answer = desk.post("/desk/record/", {"action": "what_helped", "question": "My question"})
    page = desk.get(answer.url)
    assert page.status_code == 200
    assert "This field is required" not in text(page)
    back = re.search(r'id="back" href="([^"]+)"', page.content.decode())[1]
    assert "My question" in desk.get(back).content.decode()
