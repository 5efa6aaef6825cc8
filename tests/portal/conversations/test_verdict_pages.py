import json
import uuid

import pytest
from django.urls import reverse
from django.utils import timezone

from portal.conversations.models import Conversation
from recommendations.models import Recommendation
from tests.factories import HelpSessionFactory, SavedItemFactory, UserFactory, code_for, recommend_in
from tests.portal.pages import HTMX, part, text

Verdict = Recommendation.Verdict


@pytest.fixture
def session(patron, staff, branch):
    return HelpSessionFactory(patron=patron, staff=staff, branch=branch)


@pytest.fixture
def recommendation(session):
    return recommend_in(session, item__title="The Rodale Book")[0]


@pytest.fixture
def me(client, patron, sign_in):
    return sign_in(client, patron)


def give_verdict(client, recommendation, **data):
    extra = HTMX if data.pop("htmx", False) else {}
    return client.post(reverse("verdict", args=[recommendation.public_id]), data, **extra)


@pytest.mark.few_cases
@pytest.mark.parametrize("verdict", Verdict.values)
def test_htmx_response_to_a_verdict_matches_a_page_reload(me, session, recommendation, verdict):
    page = session.get_absolute_url()
    card = f"rec-{recommendation.public_id}"
    swapped = give_verdict(me, recommendation, verdict=verdict, back=page, htmx=True)
    assert part(swapped, card) == part(me.get(page), card)
    assert f'value="{verdict}" id="{verdict}-{recommendation.public_id}" aria-pressed="true"' in part(
        swapped, card
    )
    recommendation.refresh_from_db()
    assert recommendation.verdict == verdict


def test_verdict_without_javascript_redirects_back_to_the_item(me, session, recommendation):
    assert (
        give_verdict(me, recommendation, verdict="helped").url
        == f"{session.get_absolute_url()}#rec-{recommendation.public_id}"
    )


@pytest.mark.parametrize("back", ["https://evil.example/", "//evil.example", "/\\evil.example"])
def test_giving_a_verdict_never_redirects_to_another_site(me, session, recommendation, back):
    assert give_verdict(me, recommendation, verdict="helped", back=back).url.startswith(
        session.get_absolute_url()
    )


@pytest.mark.parametrize("verdict", ["did_not_help", "could_not_get_it"])
def test_patron_can_send_a_prefilled_question_after_a_bad_verdict(me, session, recommendation, verdict):
    give_verdict(me, recommendation, verdict=verdict)
    response = me.get(session.get_absolute_url())
    [card] = response.context["recommendations"]
    assert "The Rodale Book" in card.offer
    me.post(
        reverse("ask_about_item", args=[recommendation.public_id]),
        {"body": card.offer, "client_token": str(uuid.uuid4())},
    )
    conversation = Conversation.objects.get()
    assert conversation.messages.get().body == card.offer
    # The patron has already asked the question, so the page doesn't offer it again.
    assert "Yes, please" not in text(me.get(session.get_absolute_url()))
    assert conversation.get_absolute_url() in me.get(session.get_absolute_url()).content.decode()


@pytest.mark.parametrize("verdict", ["helped", "partly", "not_tried"])
def test_patron_is_not_asked_whether_staff_should_write_after_a_good_or_neutral_verdict(
    me, session, recommendation, verdict
):
    give_verdict(me, recommendation, verdict=verdict)
    assert "Yes, please" not in text(me.get(session.get_absolute_url()))


def test_reason_for_a_verdict_is_deleted_when_the_verdict_changes(me, recommendation):
    give_verdict(me, recommendation, verdict="did_not_help")
    give_verdict(me, recommendation, verdict="did_not_help", why="too_hard")
    give_verdict(me, recommendation, verdict="did_not_help", comment="All formulas")
    give_verdict(me, recommendation, verdict="did_not_help")
    recommendation.refresh_from_db()
    assert (recommendation.why, recommendation.comment) == ("too_hard", "All formulas")
    give_verdict(me, recommendation, verdict="partly")
    recommendation.refresh_from_db()
    assert (recommendation.verdict, recommendation.why, recommendation.comment) == (
        "partly",
        "",
        "All formulas",
    )


def test_patron_can_clear_a_verdict(me, session, recommendation):
    give_verdict(me, recommendation, verdict="did_not_help", why="too_hard")
    assert "Clear my answer" in text(me.get(session.get_absolute_url()))
    give_verdict(me, recommendation, verdict="")
    recommendation.refresh_from_db()
    assert (recommendation.verdict, recommendation.why, recommendation.decided_at) == ("", "", None)
    assert "Clear my answer" not in text(me.get(session.get_absolute_url()))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"verdict": "helped"}, "Answer saved: helped"),
        ({"verdict": "did_not_help", "why": "too_hard"}, "Answer saved: too hard"),
        ({"verdict": "did_not_help"}, "Answer saved: did not help"),
        ({"verdict": ""}, "Your answer is cleared."),
    ],
)
def test_screen_readers_announce_a_new_verdict_on_an_item_in_a_list(me, session, recommendation, data, words):
    SavedItemFactory(saved_list__patron=session.patron, item=recommendation.item)
    Recommendation.objects.update(verdict="partly", decided_at=timezone.now())
    response = give_verdict(me, recommendation, **data, back=session.get_absolute_url(), htmx=True)
    assert json.loads(response["HX-Trigger"]) == {"announce": words}
    # The attribute data-announce would make the page announce a second text.
    assert "data-announce" not in response.content.decode()


def test_button_that_clears_a_verdict_is_replaced_by_a_message(me, session, recommendation):
    Recommendation.objects.update(verdict="partly", decided_at=timezone.now())
    response = give_verdict(me, recommendation, verdict="", back=reverse("home"), htmx=True)
    assert "Your answer is cleared." in text(response)
    assert "autofocus" in response.content.decode()
    # With the attribute hx-trigger, the page would load the next question, which would replace the message.
    assert "hx-trigger" not in response.content.decode()


def test_html_in_a_verdict_comment_is_escaped(me, session, recommendation):
    give_verdict(me, recommendation, verdict="helped")
    page = reverse("verdict", args=[recommendation.public_id])
    assert "Anything else you want to say about this item?" in text(me.get(page))
    give_verdict(me, recommendation, verdict="helped", comment="<b>good</b>")
    assert "&lt;b&gt;good&lt;/b&gt;" in me.get(page).content.decode()


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"verdict": "nonsense"},
        {"verdict": "helped", "why": "nonsense"},
        {"verdict": "helped", "comment": "x" * 1001},
    ],
)
def test_invalid_verdict_is_a_form_error_and_changes_nothing(me, recommendation, data):
    response = give_verdict(me, recommendation, **data)
    assert response.status_code == 422
    assert "<title>Error:" in response.content.decode()
    recommendation.refresh_from_db()
    assert recommendation.verdict == ""


@pytest.mark.parametrize(
    ("question_type", "words"), [("reference", "Did not help"), ("readers_advisory", "Not for me")]
)
def test_verdict_labels_depend_on_the_question_type(client, patron, branch, sign_in, question_type, words):
    session = HelpSessionFactory(patron=patron, branch=branch, question_type=question_type)
    recommend_in(session)
    assert words in text(sign_in(client, patron).get(session.get_absolute_url()))


@pytest.mark.few_cases
@pytest.mark.parametrize("name", ["verdict", "ask_about_item"])
@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize("who", ["nobody", "another patron", "holder of another code", "staff of the branch"])
def test_strangers_cannot_give_a_verdict_or_open_the_verdict_pages(
    client, recommendation, branch, staff, sign_in, show_code, name, method, who
):
    if who == "another patron":
        sign_in(client, UserFactory())
    elif who == "staff of the branch":
        sign_in(client, staff)
    elif who == "holder of another code":
        show_code(client, code_for(HelpSessionFactory(branch=branch)))
    response = getattr(client, method)(
        reverse(name, args=[recommendation.public_id]), {"verdict": "helped", "body": "hello"}
    )
    assert response.status_code == (302 if who in {"nobody", "holder of another code"} else 404)
    recommendation.refresh_from_db()
    assert recommendation.verdict == ""


def test_viewer_with_only_a_code_can_give_a_verdict(client, branch, show_code):
    session = HelpSessionFactory(branch=branch)
    [recommendation] = recommend_in(session)
    show_code(client, code_for(session))
    give_verdict(client, recommendation, verdict="helped")
    recommendation.refresh_from_db()
    assert (recommendation.verdict, recommendation.patron) == ("helped", None)


@pytest.mark.parametrize("verdict", ["", "did_not_help"])
def test_verdict_page_runs_at_most_eleven_queries(me, recommendation, django_assert_max_num_queries, verdict):
    Recommendation.objects.update(verdict=verdict, decided_at=timezone.now() if verdict else None)
    with django_assert_max_num_queries(11):
        me.get(reverse("verdict", args=[recommendation.public_id]))
