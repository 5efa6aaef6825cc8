import datetime

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from portal.conversations.models import Conversation
from portal.helpsessions.models import HelpSession
from recommendations.models import Recommendation
from tests.factories import (
    ChildFactory,
    ConversationFactory,
    HelpSessionFactory,
    MessageFactory,
    QuietSessionFactory,
    SavedItemFactory,
    SavedListFactory,
    code_for,
    recommend_in,
)
from tests.portal.pages import HTMX, part, text

HOME = reverse("home")


@pytest.fixture(autouse=True)
def _library(library):
    pass


def test_new_visitor_reads_what_the_portal_is_and_how_to_sign_in(client):
    page = text(client.get(HOME))
    assert "Your library visits and questions" in page
    assert "Code from the library" in page
    assert "Sign in" in page


def test_new_patron_sees_what_will_appear_on_home(client, patron, sign_in):
    sign_in(client, patron)
    page = text(client.get(HOME))
    assert "Hello Sam Okafor" in page
    assert "No visits yet" in page
    assert "Enter a code" in page


@pytest.mark.parametrize("with_child", ["shared", "own"])
def test_home_asks_the_child_and_not_the_adult_how_items_worked_out(
    client, patron, staff, branch, sign_in, show_code, with_child
):
    child = ChildFactory()
    fields = {"staff": staff, "branch": branch, "with_child": with_child}
    own, adults = (HelpSessionFactory(patron=person, **fields) for person in (child, patron))
    if with_child == "shared":
        HelpSession.objects.filter(pk=own.pk).update(shared_with=patron)
        HelpSession.objects.filter(pk=adults.pk).update(patron=None, shared_with=patron)
    opened = HelpSessionFactory(patron=None, **fields)
    for visit in (own, adults, opened):
        recommend_in(visit, starred=True)
    question = "How did these items work out?"
    assert question not in text(sign_in(client, patron).get(HOME))
    assert question not in text(show_code(Client(), code_for(opened)).get(HOME))

    assert question in text(sign_in(Client(), child).get(HOME))
    recommend_in(HelpSessionFactory(patron=patron), starred=True)
    assert question in text(client.get(HOME))


def test_home_lists_new_answers_before_visits_and_saved_items(client, patron, staff, branch, sign_in):
    session = HelpSessionFactory(patron=patron, staff=staff, branch=branch, question="Compost?")
    recommend_in(session, starred=True)
    conversation = ConversationFactory(
        help_session=session, status=Conversation.Status.WAITING_FOR_PATRON, subject="Worms?"
    )
    MessageFactory(conversation=conversation, side="staff")
    SavedItemFactory(saved_list__patron=patron, item__title="Saved Thing")
    sign_in(client, patron)
    page = text(client.get(HOME))
    order = [
        page.index(words)
        for words in [
            "Worms?",
            "How did these items work out?",
            "The Book of Things",
            "Your visits",
            "Compost?",
            "Saved Thing",
        ]
    ]
    assert order == sorted(order)


def test_home_asks_only_about_starred_items_without_a_verdict(client, patron, branch, sign_in):
    session = HelpSessionFactory(patron=patron, branch=branch)
    [open_one] = recommend_in(session, item__title="Open One")
    recommend_in(session, item__title="Not Starred", starred=False)
    recommend_in(session, item__title="Answered", verdict="helped", decided_at=timezone.now())
    sign_in(client, patron)
    page = text(client.get(HOME))
    assert open_one.item.title in page
    assert "Not Starred" not in page
    assert "Answered" not in page


def test_home_and_lists_show_only_the_day_of_a_quiet_visit(client, branch, show_code):
    quiet = QuietSessionFactory(branch=branch)
    recommend_in(quiet, item__title="Legal aid office")
    MessageFactory(
        conversation=ConversationFactory(help_session=quiet, subject="Legal aid office"),
        side="staff",
        author=quiet.staff,
    )
    show_code(client, code_for(quiet))
    for name in ["home", "help_sessions", "conversations", "saved"]:
        page = text(client.get(reverse(name)))
        assert "Legal aid" not in page
        assert "violent" not in page
        assert quiet.staff.name not in page
    assert "Your visit on" in text(client.get(HOME))


@pytest.mark.parametrize("verdict", ["helped", "did_not_help"])
def test_htmx_response_to_a_verdict_on_home_matches_a_page_reload(client, patron, branch, sign_in, verdict):
    [recommendation] = recommend_in(HelpSessionFactory(patron=patron, branch=branch))
    sign_in(client, patron)
    address = reverse("verdict", args=[recommendation.public_id])
    card = f"rec-{recommendation.public_id}"
    swapped = client.post(address, {"verdict": verdict, "back": HOME}, **HTMX)
    without_script = client.post(address, {"verdict": verdict, "back": HOME})
    assert without_script.url == f"{HOME}?said={recommendation.public_id}#{card}"
    assert part(swapped, card) == part(client.get(without_script.url), card)
    assert card not in client.get(HOME).content.decode()


def test_home_asks_for_a_verdict_on_only_one_item_at_a_time(client, patron, branch, sign_in):
    first, second, third = recommend_in(HelpSessionFactory(patron=patron, branch=branch), 3)
    sign_in(client, patron)

    def asked(response):
        return [recommendation.public_id for recommendation in response.context["asked"]]

    [now] = asked(client.get(HOME))
    swapped = client.post(
        reverse("verdict", args=[now]), {"verdict": "helped", "back": HOME}, **HTMX
    ).content.decode()
    assert f'hx-get="{HOME}?said={now}"' in swapped
    after = client.get(HOME, {"said": now}, **HTMX)
    assert after.content.decode().strip().startswith('<section class="stack" id="asked"')
    [answered, following] = asked(after)
    assert answered == now
    assert following in {first.public_id, second.public_id, third.public_id} - {now}
    client.post(reverse("verdict", args=[now]), {"verdict": "", "back": HOME})
    # After the verdict is removed, the same question is asked again.
    assert asked(client.get(HOME, {"said": now})) == [now]


def test_visitor_can_choose_the_language(client):
    for page in [HOME, reverse("open_code")]:
        assert 'id="language-es"' in client.get(page).content.decode()


def test_home_ignores_an_invalid_query_parameter(client, patron, sign_in):
    sign_in(client, patron)
    assert client.get(HOME, {"said": "nonsense"}).status_code == 200


@pytest.mark.slow
@pytest.mark.parametrize("rows", [1, 30])
def test_home_runs_the_same_number_of_queries_for_1_and_30_rows(
    client, patron, staff, branch, sign_in, show_code, django_assert_num_queries, rows
):
    by_code = HelpSessionFactory(branch=branch, staff=staff)
    recommend_in(by_code, rows)
    for number in range(rows):
        session = HelpSessionFactory(
            patron=patron,
            staff=staff,
            branch=branch,
            happened_on=timezone.localdate() - datetime.timedelta(days=number),
        )
        recommend_in(session)
        MessageFactory(conversation=ConversationFactory(help_session=session), side="staff")
    SavedItemFactory.create_batch(rows, saved_list=SavedListFactory(patron=patron))
    sign_in(client, patron)
    show_code(client, code_for(by_code))
    client.get(HOME)
    with django_assert_num_queries(11):
        client.get(HOME)
    assert Recommendation.objects.undecided().count() == 2 * rows
