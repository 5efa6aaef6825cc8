"""Test the words that patrons share with their helper, and the page "What you made possible"."""

import datetime
from html import unescape

import pytest
from django.urls import reverse
from django.utils import timezone

from accounts.models import Consent, User
from portal.checkins import quotes
from portal.checkins.models import SharedWords
from portal.helpsessions.models import HelpSession
from portal.privacy import erasure, retention, unlinking, wrong_patron
from recommendations.models import Recommendation
from tests.factories import (
    ChildFactory,
    HelpSessionFactory,
    QuietSessionFactory,
    SharedSessionFactory,
    StaffFactory,
    UserFactory,
    recommend_in,
)
from tests.portal.pages import text

WORDS = "I passed the exam! <b>Thank you.</b>"


@pytest.fixture
def session(patron, staff, branch):
    return HelpSessionFactory(patron=patron, staff=staff, branch=branch, found="all", kept_at=timezone.now())


@pytest.fixture
def me(client, patron, sign_in):
    return sign_in(client, patron)


def share(session, person=None, words=WORDS):
    return quotes.share_words(
        session,
        person=person or session.patron,
        words=words,
        wording="Rosa may read these words.",
        language="en",
        at=timezone.now(),
    )


def page_of(session):
    return reverse("share_words", args=[session.public_id])


def test_patron_consents_to_sharing_words_with_the_helper_and_can_take_the_words_back(
    me, session, patron, staff
):
    page = me.get(session.get_absolute_url())
    assert page_of(session) in page.content.decode()
    shown = unescape(text(me.get(page_of(session))))
    wording = (
        "Only Rosa Lindqvist may read these words. My name isn't shown. "
        "I can take the words back at any time."
    )
    assert wording in shown
    assert me.post(page_of(session), {"words": WORDS}).url == session.get_absolute_url()
    consent = Consent.objects.get(purpose="quote")
    assert (consent.person, consent.subject, consent.wording) == (patron, session.public_id, wording)
    assert [row.words for row in quotes.shared_with(staff)] == [WORDS]
    me.post(page_of(session), {"words": "Other words"})
    assert [row.words for row in quotes.shared_with(staff)] == ["Other words"]
    assert Consent.objects.filter(purpose="quote").count() == 1
    me.post(page_of(session), {"take_back": ""})
    assert not SharedWords.objects.exists()
    assert not Consent.objects.filter(purpose="quote").exists()


@pytest.mark.parametrize(
    ("words", "error"), [("", "Write your words first."), ("x" * 501, "You entered 501.")]
)
def test_invalid_words_are_not_shared_and_the_page_explains_why(me, session, words, error):
    response = me.post(page_of(session), {"words": words})
    assert (response.status_code, error in text(response)) == (422, True)
    assert not SharedWords.objects.exists()


@pytest.mark.few_cases
@pytest.mark.parametrize(
    "case", ["stranger", "quiet", "with a child", "child", "adult of a child", "no helper"]
)
def test_words_about_a_quiet_visit_or_by_a_child_or_a_stranger_cannot_be_shared(
    session, patron, staff, branch, case
):
    person = patron
    if case == "stranger":
        person = UserFactory()
    elif case == "quiet":
        session = QuietSessionFactory(branch=branch, staff=staff)
    elif case == "with a child":
        session = HelpSessionFactory(branch=branch, staff=staff, patron=patron, with_child="own")
    elif case == "child":
        person = ChildFactory()
        session = HelpSessionFactory(branch=branch, staff=staff, patron=person)
    elif case == "adult of a child":
        session = SharedSessionFactory(branch=branch, staff=staff, patron=ChildFactory(), shared_with=patron)
    else:
        HelpSession.objects.update(staff=None)
        session.refresh_from_db()
    with pytest.raises(quotes.NotShared):
        share(session, person)
    assert not SharedWords.objects.exists()
    assert not Consent.objects.exists()


def test_stranger_gets_404_for_the_page_that_shares_words(client, session, sign_in):
    response = sign_in(client, UserFactory()).post(page_of(session), {"words": WORDS})
    assert (response.status_code, SharedWords.objects.exists()) == (404, False)


# In these cases, the words are deleted immediately.
CASES = ["erased", "forgotten", "quiet", "wrong patron"]
# In these cases, nobody can read the words anymore. They are deleted later, with the visit or the account.
CASES += ["deactivated", "helper", "child's account", "with a child"]


@pytest.mark.few_cases
@pytest.mark.parametrize("how", CASES)
def test_nobody_can_read_shared_words_after_the_visit_or_the_account_changed(
    session, patron, staff, branch, coordinator, how
):
    share(session)
    at = timezone.now()
    if how == "erased":
        erasure.erase(patron, language="en", at=at)
    elif how == "forgotten":
        old = at - datetime.timedelta(days=4000)
        HelpSession.objects.update(created_at=old, happened_on=old.date(), kept_at=old)
        retention.forget(at=at)
    elif how == "quiet":
        conversations = session.conversations.all()
        unlinking.make_quiet(session, conversations, is_held=False, at=at)
        assert not Consent.objects.filter(purpose="quote").exists()
    elif how == "wrong patron":
        wrong_patron.remove_wrong_patron(session, patron, by=coordinator, at=at)
    elif how == "deactivated":
        patron.is_active = False
        patron.save()
    elif how == "helper":
        HelpSession.objects.update(staff=StaffFactory(branch=branch))
    elif how == "child's account":
        User.objects.filter(pk=patron.pk).update(child_since=at, name="Mia")
    else:
        HelpSession.objects.update(with_child="own")
    assert not quotes.shared_with(staff).exists()
    if how in {"erased", "forgotten", "quiet", "wrong patron"}:
        assert not SharedWords.objects.exists()


def last_quarter(library):
    today = library.today()
    first = today.replace(month=(today.month - 1) // 3 * 3 + 1, day=1)
    return first - datetime.timedelta(days=20)


def make(helper, branch, count, day, **fields):
    return HelpSessionFactory.create_batch(
        count, staff=helper, branch=branch, happened_on=day, patron=None, **fields
    )


def test_helper_sees_the_number_of_helpful_visits_only_if_there_are_at_least_five(
    client, staff, branch, library, sign_in
):
    day, colleague = last_quarter(library), StaffFactory(branch=branch)
    make(staff, branch, 4, day, found="all")
    make(staff, branch, 1, day, found="something_else")
    make(staff, branch, 9, day, found="no", satisfaction="poor")
    make(staff, branch, 30, library.today(), found="all")
    make(colleague, branch, 40, day, found="all")
    make(staff, branch, 4, day - datetime.timedelta(days=92), found="all")
    items = recommend_in(make(staff, branch, 1, day)[0], count=4)
    Recommendation.objects.update(
        verdict="helped",
        decided_at=timezone.now(),
        recommended_by=staff,
        recommended_at=timezone.now() - (library.today() - day),
    )
    page = sign_in(client, staff).get(reverse("made_possible"))
    [(_quarter, found, helped)] = page.context["quarters"]
    assert (found, helped) == (5, None)
    assert len(items) == 4
    assert [
        numbers
        for _quarter, *numbers in sign_in(client, colleague).get(reverse("made_possible")).context["quarters"]
    ] == [[40, 0]]


def test_only_the_helper_can_read_shared_words(client, session, staff, coordinator, sign_in):
    share(session)
    page = sign_in(client, staff).get(reverse("made_possible"))
    assert "&lt;b&gt;Thank you.&lt;/b&gt;" in page.content.decode()
    assert session.patron.name not in text(page)
    assert "I passed the exam" not in text(sign_in(client, coordinator).get(reverse("made_possible")))


@pytest.mark.parametrize("count", [1, 30])
def test_helpers_page_of_shared_words_runs_the_same_number_of_queries_for_1_and_30_quotes(
    client, staff, branch, sign_in, library, count, django_assert_num_queries
):
    for number in range(count):
        share(HelpSessionFactory(staff=staff, branch=branch, patron=UserFactory()), words=f"Words {number}.")
    make(staff, branch, 5 * count, last_quarter(library), found="all")
    sign_in(client, staff)
    with django_assert_num_queries(7):
        page = client.get(reverse("made_possible"))
    assert len(page.context["quotes"]) == count


def test_desk_does_not_show_how_the_patron_rated_the_help(client, session, staff, sign_in):
    HelpSession.objects.update(
        satisfaction="poor", satisfaction_at=timezone.now(), answered_at=timezone.now()
    )
    page = text(sign_in(client, staff).get(reverse("desk_session", args=[session.public_id])))
    assert "Yes, everything" in page or "yes, everything" in page
    assert "poor" not in page.lower()
