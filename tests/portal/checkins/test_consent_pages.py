"""Test the pages that ask patrons whether the library may ask later how a visit turned out."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.urls import reverse
from django.utils.text import capfirst

from accounts.models import Consent
from accounts.sign_in.access import BORROWED
from portal.checkins.models import CheckIn
from portal.helpsessions.models import HelpSession
from portal.notifications.unsubscribing import unsubscribe_url
from tests.factories import (
    ChildFactory,
    HelpSessionFactory,
    PushSubscriptionFactory,
    QuietSessionFactory,
    SharedSessionFactory,
    UserFactory,
    code_for,
)
from tests.portal.pages import text
from tests.push_device import PRIVATE_KEY

AT = datetime(2026, 11, 20, 20, tzinfo=UTC)
QUESTION = "May the library ask you later how things turned out?"

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def library(time_machine, library):
    time_machine.move_to(AT, tick=False)
    library.check_ins = True
    library.save()
    return library


@pytest.fixture
def visit(patron, branch):
    return HelpSessionFactory(patron=patron, branch=branch, kept_at=AT)


def asks(client, path):
    page = client.get(path)
    assert page.status_code == 200, page
    return QUESTION in text(page)


def open_by_code(client, *visits):
    for visit in visits:
        client.get(reverse("open_code_link", args=[code_for(visit, at=AT)]), follow=True)


def choose(client, choice, **fields):
    return client.post(reverse("check_ins"), {"check_ins": choice, "back": "/"} | fields, follow=True)


@pytest.mark.parametrize("choice", ["email", "pages", "none"])
def test_home_page_and_visit_page_ask_for_consent_until_the_patron_chooses(
    client, patron, visit, sign_in, choice
):
    sign_in(client, patron)
    assert asks(client, "/")
    assert asks(client, visit.get_absolute_url())
    choose(client, choice)
    patron.refresh_from_db()
    assert patron.check_ins == choice
    consent = Consent.objects.get(purpose="check_ins")
    assert consent.wording.splitlines()[0] == QUESTION
    assert consent.wording.splitlines()[-1] == capfirst(patron.get_check_ins_display())
    assert not asks(client, "/")
    assert not asks(client, visit.get_absolute_url())


def test_no_choice_about_check_ins_is_preselected(client, patron, visit, sign_in):
    sign_in(client, patron)
    for path in ("/", visit.get_absolute_url(), reverse("check_ins")):
        page = client.get(path).content.decode()
        assert page.count('name="check_ins"') == 3
        form = page[page.index('id="check-ins-title"') :].partition("</form>")[0]
        assert form.count('aria-pressed="false"') == 3
        assert 'aria-pressed="true"' not in form


def test_consent_text_mentions_no_visit_or_item_or_day_or_staff_member(client, patron, visit, sign_in):
    sign_in(client, patron)
    choose(client, "email")
    wording = Consent.objects.get().wording
    for secret in (visit.question, visit.staff and visit.staff.name, "2026", visit.branch.name):
        assert not secret or secret not in wording


def test_consent_is_stored_in_the_language_of_the_page(client, patron, visit, sign_in):
    patron.language = "es"
    patron.save()
    sign_in(client, patron)
    choose(client, "none")
    consent = Consent.objects.get()
    assert consent.language == "es"
    assert consent.wording.startswith("¿Puede la biblioteca preguntarle después")


def test_patron_who_undoes_the_first_check_in_choice_is_asked_again(client, patron, visit, sign_in):
    sign_in(client, patron)
    page = choose(client, "none")
    undo = page.content.decode().partition('action="/me/check-ins/?undo=')[2].partition('"')[0]
    client.post("/me/check-ins/?undo=" + undo.replace("&amp;", "&"))
    patron.refresh_from_db()
    assert (patron.check_ins, Consent.objects.count()) == ("", 0)
    assert asks(client, "/")


def test_undoing_a_choice_about_check_ins_restores_the_earlier_choice(client, patron, visit, sign_in):
    sign_in(client, patron)
    choose(client, "pages")
    page = choose(client, "none")
    undo = page.content.decode().partition('action="/me/check-ins/?undo=')[2].partition('"')[0]
    client.post("/me/check-ins/?undo=" + undo.replace("&amp;", "&"))
    patron.refresh_from_db()
    assert (patron.check_ins, Consent.objects.count()) == ("pages", 3)


def test_patron_is_not_asked_for_consent_while_check_ins_are_off(client, patron, visit, sign_in, library):
    library.check_ins = False
    library.save()
    sign_in(client, patron)
    assert not asks(client, "/")
    assert not asks(client, visit.get_absolute_url())


@pytest.mark.parametrize("fields", [{"died_at": None}, {"died_at": AT}], ids=["alive", "dead"])
def test_patron_who_has_died_is_not_asked_for_consent(client, patron, visit, sign_in, fields):
    sign_in(client, patron)
    type(patron).objects.filter(pk=patron.pk).update(**fields)
    for path in ("/", visit.get_absolute_url()):
        assert asks(client, path) == (fields["died_at"] is None)


def test_choice_of_a_viewer_with_only_a_code_applies_to_all_visits_opened_in_the_browser(client, branch):
    visits = [HelpSessionFactory(branch=branch) for _ in range(2)]
    strangers = HelpSessionFactory(branch=branch)
    open_by_code(client, *visits)
    assert asks(client, "/")
    assert all(asks(client, visit.get_absolute_url()) for visit in visits)
    choose(client, "none", visit=visits[0].public_id)
    assert [row.check_ins for row in HelpSession.objects.order_by("pk")] == ["none", "none", ""]
    assert not asks(client, "/")
    assert not any(asks(client, visit.get_absolute_url()) for visit in visits)
    assert not Consent.objects.exists()
    open_by_code(client, strangers)
    assert not asks(client, "/")
    assert not asks(client, strangers.get_absolute_url())


def test_viewer_with_only_a_code_can_undo_their_choice_about_check_ins(client, branch):
    visit = HelpSessionFactory(branch=branch)
    open_by_code(client, visit)
    page = choose(client, "pages", visit=visit.public_id)
    undo = page.content.decode().partition('action="/me/check-ins/?undo=')[2].partition('"')[0]
    client.post("/me/check-ins/?undo=" + undo.replace("&amp;", "&"))
    visit.refresh_from_db()
    assert visit.check_ins == ""
    assert asks(client, "/")


def test_viewer_with_only_a_code_who_chooses_email_is_asked_to_keep_the_visit(client, branch):
    visit = HelpSessionFactory(branch=branch)
    open_by_code(client, visit)
    page = choose(client, "email", visit=visit.public_id)
    keep_page = f"{reverse('keep_session', args=[visit.public_id])}?check_ins=email"
    assert page.redirect_chain == [(keep_page, 302)]
    assert QUESTION in text(page)
    page = client.post(keep_page, {"without_address": "1"}, follow=True)
    visit.refresh_from_db()
    assert visit.patron.check_ins == "email"
    assert Consent.objects.get(purpose="check_ins").wording.splitlines()[0] == QUESTION
    # The new account has no email address, so the page asks the patron to add one.
    assert page.request["PATH_INFO"] == reverse("check_ins")
    assert "Add an email address first." in text(page)


def test_signed_in_patron_who_chooses_email_is_asked_to_keep_a_visit_opened_by_code(
    client, patron, branch, sign_in
):
    visit = HelpSessionFactory(branch=branch)
    sign_in(client, patron)
    open_by_code(client, visit)
    page = choose(client, "email", visit=visit.public_id)
    assert page.redirect_chain == [(reverse("keep_session", args=[visit.public_id]), 302)]
    patron.refresh_from_db()
    assert patron.check_ins == "email"


def test_home_page_asks_for_consent_only_about_the_patrons_own_visit(client, patron, visit, branch, sign_in):
    sign_in(client, patron)
    open_by_code(client, HelpSessionFactory(branch=branch))
    assert client.get("/").context["check_ins"].visit == visit


def test_viewer_of_a_quiet_visit_is_not_asked_for_consent(client, patron, branch, sign_in):
    quiet = QuietSessionFactory(branch=branch)
    open_by_code(client, quiet)
    assert not asks(client, "/")
    assert not asks(client, quiet.get_absolute_url())
    choose(client, "none", visit=quiet.public_id)
    quiet.refresh_from_db()
    assert quiet.check_ins == ""


def test_adult_is_not_asked_for_consent_about_a_childs_visit(client, patron, branch, sign_in):
    shared = SharedSessionFactory(
        branch=branch, patron=ChildFactory(), kept_at=AT, shared_with=patron, shared_at=AT
    )
    patron.has_shared_visits = True
    patron.save()
    sign_in(client, patron)
    assert not asks(client, "/")
    assert not asks(client, shared.get_absolute_url())


@pytest.mark.parametrize("with_child", ["shared", "own", "paper"])
def test_viewer_with_only_the_code_of_a_visit_with_a_child_is_not_asked_for_consent(
    client, branch, with_child
):
    visit = HelpSessionFactory(branch=branch)
    open_by_code(client, visit)
    assert asks(client, "/")
    assert asks(client, visit.get_absolute_url())

    HelpSession.objects.update(with_child=with_child)

    assert not asks(client, "/")
    assert not asks(client, visit.get_absolute_url())
    choose(client, "email", visit=visit.public_id)
    visit.refresh_from_db()
    assert visit.check_ins == ""


def test_child_is_asked_for_consent_only_if_the_library_emails_children(client, branch, sign_in, library):
    child = ChildFactory(email="mia@example.org")
    visit = SharedSessionFactory(branch=branch, patron=child, kept_at=AT)
    sign_in(client, child)
    assert not asks(client, "/")
    assert not asks(client, visit.get_absolute_url())
    assert client.get(reverse("check_ins")).content.decode().count('name="check_ins"') == 2
    choose(client, "email")
    child.refresh_from_db()
    assert child.check_ins == ""
    library.check_ins_of_children = True
    library.save()
    assert asks(client, "/")
    assert asks(client, visit.get_absolute_url())
    assert client.get(reverse("check_ins")).content.decode().count('name="check_ins"') == 3
    child.email = None
    child.save()
    assert client.get(reverse("check_ins")).content.decode().count('name="check_ins"') == 2


@pytest.mark.parametrize("may_have_emails", [False, True])
def test_consent_page_mentions_emails_to_a_child_only_if_the_library_emails_children(
    client, library, sign_in, may_have_emails
):
    library.check_ins_of_children = may_have_emails
    library.save()
    child = ChildFactory(email="mia@example.org")
    sign_in(client, child)
    assert ("We send these emails" in text(client.get(reverse("check_ins")))) == may_have_emails
    choose(client, "pages")
    assert ("We send these emails" in Consent.objects.get(person=child).wording) == may_have_emails


@pytest.mark.parametrize("choice", ["email", "push", "pages"])
def test_patron_can_turn_off_check_ins_for_one_visit(client, patron, visit, sign_in, choice):
    patron.check_ins = choice
    patron.save()
    sign_in(client, patron)
    assert 'id="leave-out"' in client.get(visit.get_absolute_url()).content.decode()
    leave_out = reverse("leave_out_of_check_ins", args=[visit.public_id])
    page = client.post(leave_out, follow=True)
    visit.refresh_from_db()
    assert visit.check_ins == "none"
    assert "We won't ask you how this visit turned out." in text(page)
    client.post(leave_out, {"ask": "1"})
    visit.refresh_from_db()
    assert visit.check_ins == ""


@pytest.mark.few_cases
@pytest.mark.parametrize(
    ("changes", "is_shown"),
    [
        ({}, True),
        ({"status": "asked", "asked_at": AT}, False),
        ({"due_on": AT.date()}, False),
        ({"found": "all", "satisfaction": "good"}, False),
        ({"check_ins": "none"}, False),
    ],
    ids=["planned", "asked", "today", "answered", "left out"],
)
def test_visit_page_says_when_the_library_plans_to_ask(client, patron, visit, sign_in, changes, is_shown):
    patron.check_ins = "email"
    patron.save()
    later = {"status": "planned", "due_on": AT.date() + timedelta(days=12), "created_at": AT}
    of_check_in = {name: value for name, value in changes.items() if hasattr(CheckIn, name)}
    CheckIn.objects.create(help_session=visit, **later | of_check_in)
    HelpSession.objects.filter(pk=visit.pk).update(
        **{name: value for name, value in changes.items() if name not in of_check_in}
    )
    page = text(sign_in(client, patron).get(visit.get_absolute_url()))
    assert ("We plan to ask you on Wednesday, December 2 how this visit turned out." in page) == is_shown


def test_patron_can_turn_on_check_ins_for_one_visit_again(client, patron, visit, sign_in, library):
    patron.check_ins = "pages"
    patron.save()
    skipped = CheckIn.objects.create(
        help_session=visit, status="skipped", due_on=library.today(AT), created_at=AT, ended_at=AT
    )
    HelpSession.objects.filter(pk=visit.pk).update(check_ins="none")
    sign_in(client, patron)
    client.post(reverse("leave_out_of_check_ins", args=[visit.public_id]), {"ask": "1"})
    visit.refresh_from_db()
    assert visit.check_ins == ""
    planned = CheckIn.objects.exclude(pk=skipped.pk).get()
    assert (planned.status, planned.set_by) == ("planned", "patron")


@pytest.mark.parametrize(("choice", "mentions"), [("", False), ("push", True), ("none", False)])
def test_page_about_check_ins_mentions_the_leave_out_button_only_if_the_button_exists(
    client, patron, visit, sign_in, choice, mentions
):
    patron.check_ins = choice
    patron.save()
    sign_in(client, patron)
    assert ("at the end of its page" in text(client.get(reverse("check_ins")))) == mentions
    assert ('id="leave-out"' in client.get(visit.get_absolute_url()).content.decode()) == mentions


def test_patron_who_has_made_no_choice_can_undo_leaving_out_a_visit(client, patron, visit, sign_in):
    HelpSession.objects.filter(pk=visit.pk).update(check_ins="none")
    sign_in(client, patron)
    assert "You may ask me about this visit" in text(client.get(visit.get_absolute_url()))
    client.post(reverse("leave_out_of_check_ins", args=[visit.public_id]), {"ask": "1"})
    visit.refresh_from_db()
    assert visit.check_ins == ""


def test_visit_page_has_no_leave_out_button_if_the_patron_refused_all_check_ins(
    client, patron, visit, sign_in
):
    patron.check_ins = "none"
    patron.save()
    sign_in(client, patron)
    assert "leave-out" not in client.get(visit.get_absolute_url()).content.decode()


def test_patron_cannot_leave_out_a_strangers_visit(client, patron, branch, sign_in):
    patron.check_ins = "pages"
    patron.save()
    stranger = UserFactory()
    visit = HelpSessionFactory(branch=branch, patron=stranger, kept_at=AT)
    sign_in(client, patron)
    assert client.post(reverse("leave_out_of_check_ins", args=[visit.public_id])).status_code == 404
    visit.refresh_from_db()
    assert visit.check_ins == ""


def test_allowing_titles_and_disallowing_titles_each_store_a_consent(client, patron, sign_in):
    patron.check_ins = "email"
    patron.save()
    sign_in(client, patron)
    sentence = "Anyone who opens the link in my email can see the titles."
    assert sentence in text(client.get(reverse("check_ins")))
    client.post(reverse("check_in_titles"), {"titles": "yes"})
    patron.refresh_from_db()
    assert patron.check_in_titles is True
    assert Consent.objects.get(purpose="check_in_titles").wording == sentence
    client.post(reverse("check_in_titles"), {"titles": "no"})
    patron.refresh_from_db()
    assert patron.check_in_titles is False
    assert Consent.objects.filter(purpose="check_in_titles").count() == 2


@pytest.mark.parametrize(
    ("address", "missing"),
    [
        (
            None,
            "Add an email address first. Until then, you'll see our questions only on the library's web "
            "pages.",
        ),
        ("ana@example.org", "Confirm your email address first. Until then"),
    ],
)
def test_consent_page_says_what_to_do_if_the_email_address_is_missing_or_unconfirmed(
    client, patron, sign_in, address, missing
):
    patron.email = address
    patron.save()
    if address:
        patron.emailaddress_set.create(email=address, verified=False, primary=True)
    sign_in(client, patron)
    page = text(choose(client, "email"))
    assert "Your choice is saved." in page
    assert missing in page
    assert "The library may email you" not in page


def test_page_of_check_in_choices_redirects_a_signed_out_person_to_sign_in(client):
    response = client.get(reverse("check_ins"))
    assert response.url == f"{reverse('sign_in')}?next={reverse('check_ins')}"
    response = client.post(reverse("check_ins"), {"check_ins": "none"})
    assert response.url.startswith(reverse("sign_in"))


@pytest.mark.parametrize("choice", ["", "email"])
def test_asking_for_consent_runs_no_additional_query(
    client, patron, visit, sign_in, django_assert_num_queries, choice
):
    """Check that the pages run the same number of queries before and after the patron chooses."""
    patron.check_ins = choice
    patron.save()
    sign_in(client, patron)
    client.get("/")
    client.get(visit.get_absolute_url())
    with django_assert_num_queries(10):
        assert asks(client, "/") == (choice == "")
    with django_assert_num_queries(9):
        assert asks(client, visit.get_absolute_url()) == (choice == "")


def test_account_page_shows_the_choice_and_links_to_the_page_that_changes_it(
    client, patron, sign_in, library
):
    sign_in(client, patron)
    assert "You haven't chosen yet whether the library may ask about your visits." in text(
        client.get(reverse("me"))
    )
    for choice, words in [
        ("email", "The library may email you to ask about your visits."),
        ("pages", "The library asks about your visits only on its web pages."),
        ("none", "The library doesn't ask about your visits."),
    ]:
        choose(client, choice)
        page = client.get(reverse("me"))
        assert words in text(page)
        assert f'href="{reverse("check_ins")}"' in page.content.decode()


def test_account_page_does_not_mention_check_ins_while_check_ins_are_off(client, patron, sign_in, library):
    library.check_ins = False
    library.save()
    sign_in(client, patron)
    assert reverse("check_ins") not in client.get(reverse("me")).content.decode()
    patron.check_ins = "email"
    patron.save()
    assert reverse("check_ins") in client.get(reverse("me")).content.decode()


# Tests of check-ins on the patron's phone.


@pytest.fixture
def with_push(settings):
    settings.PUSH_PRIVATE_KEY = PRIVATE_KEY


def button_of(page, choice):
    """Return the start tag of the button with this choice, or "" if the page has none."""
    html = page.content.decode()
    return next((tag for tag in re.findall(r"<button[^>]*>", html) if f'value="{choice}"' in tag), "")


def test_phone_button_is_hidden_on_the_page_before_scripts_run(client, patron, visit, sign_in, with_push):
    sign_in(client, patron)
    for path in ("/", visit.get_absolute_url(), reverse("check_ins")):
        assert " hidden data-needs-push" in button_of(client.get(path), "push")
        assert "hidden" not in button_of(client.get(path), "email")


def test_phone_button_is_shown_without_a_script_if_the_person_has_a_device(
    client, patron, sign_in, with_push
):
    PushSubscriptionFactory(person=patron)
    sign_in(client, patron)
    assert button_of(client.get(reverse("check_ins")), "push")
    assert "hidden" not in button_of(client.get(reverse("check_ins")), "push")


def test_check_ins_on_the_phone_are_not_offered_while_push_is_off(client, patron, visit, sign_in):
    sign_in(client, patron)
    for path in ("/", visit.get_absolute_url(), reverse("check_ins")):
        assert button_of(client.get(path), "push") == ""
    choose(client, "push")
    patron.refresh_from_db()
    assert patron.check_ins == ""


def test_patron_who_chooses_the_phone_is_redirected_to_the_page_that_turns_messages_on(
    client, patron, visit, sign_in, with_push
):
    sign_in(client, patron)
    page = choose(client, "push")
    assert page.redirect_chain[-1][0] == reverse("phone_messages")
    patron.refresh_from_db()
    assert patron.check_ins == "push"
    assert Consent.objects.get(purpose="check_ins").wording.splitlines() == [
        QUESTION,
        "We ask a few days after a visit. The message doesn't say what the visit was about.",
        "You can change your answer at any time under “Me”.",
        "By message on this phone",
    ]
    assert "First turn on messages" in text(client.get(reverse("check_ins")))
    PushSubscriptionFactory(person=patron)
    assert "First turn on messages" not in text(client.get(reverse("check_ins")))
    words = "The library may send messages to your phone to ask about your visits."
    assert words in text(client.get("/me/"))


def test_patron_with_a_subscribed_phone_returns_to_the_page_after_choosing_push_for_check_ins(
    client, patron, visit, sign_in, with_push
):
    PushSubscriptionFactory(person=patron)
    sign_in(client, patron)
    page = choose(client, "push")
    assert page.redirect_chain[-1][0] == "/"
    assert "Saved. The library may send messages to your phone to ask about your visits." in text(page)


def test_viewer_with_only_a_code_who_chooses_the_phone_is_asked_to_keep_the_visit(client, branch, with_push):
    visit = HelpSessionFactory(branch=branch)
    open_by_code(client, visit)
    page = choose(client, "push", visit=visit.public_id)
    keep = f"{reverse('keep_session', args=[visit.public_id])}?check_ins=push"
    assert page.redirect_chain[-1][0] == keep
    assert "By message on this phone" in text(page)
    page = client.post(keep, {"without_address": "1"}, follow=True)
    assert page.redirect_chain[-1][0] == reverse("phone_messages")
    visit.refresh_from_db()
    assert visit.patron.check_ins == "push"
    assert Consent.objects.get(purpose="check_ins").wording.splitlines()[-1] == "By message on this phone"


def test_child_can_choose_check_ins_on_the_phone_only_if_the_library_writes_to_children(
    client, branch, sign_in, library, with_push
):
    child = ChildFactory()
    sign_in(client, child)
    assert button_of(client.get(reverse("check_ins")), "push") == ""
    library.check_ins_of_children = True
    library.save()
    assert button_of(client.get(reverse("check_ins")), "push") != ""


def test_staff_can_see_but_not_choose_check_ins_on_the_patrons_phone(
    client, patron, branch, staff, sign_in, with_push
):
    HelpSessionFactory(patron=patron, branch=branch, kept_at=AT)
    sign_in(client, staff)
    record, answer = (
        reverse(name, args=[patron.public_id]) for name in ("patron_record", "record_check_ins")
    )
    assert button_of(client.get(record), "push") == ""
    client.post(answer, {"check_ins": "push"})
    patron.refresh_from_db()
    assert (patron.check_ins, Consent.objects.count()) == ("", 0)
    patron.check_ins = "push"
    patron.save()
    page = client.get(record)
    assert "This patron allows check-ins with messages on their phone." in text(page)
    assert 'aria-pressed="true"' in button_of(page, "push")
    client.post(answer, {"check_ins": "pages"})
    patron.refresh_from_db()
    assert patron.check_ins == "pages"


def test_unsubscribe_link_in_an_email_also_ends_check_ins_by_push_message(client, patron, with_push):
    patron.check_ins = "push"
    patron.save()
    client.post(unsubscribe_url(patron, ["checkins/check_in"]).removeprefix("http://localhost:8000"))
    patron.refresh_from_db()
    assert patron.check_ins == "none"


def test_phone_is_not_offered_for_check_ins_on_a_borrowed_device(client, patron, visit, sign_in, with_push):
    sign_in(client, patron)
    session = client.session
    session[BORROWED] = True
    session.save()
    for path in (reverse("home"), visit.get_absolute_url(), reverse("check_ins")):
        page = client.get(path)
        assert button_of(page, "pages") != ""
        assert button_of(page, "push") == ""
    # The page still shows that the patron chose push messages earlier, on their own phone.
    patron.check_ins = "push"
    patron.save()
    assert 'aria-pressed="true"' in button_of(client.get(reverse("check_ins")), "push")
