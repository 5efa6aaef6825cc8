"""Test the field “For” of the record form: whom it finds, what staff read aloud, and what is saved."""

import json
import re
from html import unescape

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEvent, Consent, LibraryCard, LookingReason, User
from accounts.patron.people import person_added_at_desk, person_with_address
from portal.helpsessions.models import ClaimCode, HelpSession, UnfinishedForm
from portal.limit_table import LIMITS, Limit
from portal.worker import Worker
from tests.factories import (
    ChildFactory,
    ConversationFactory,
    HelpSessionFactory,
    PasskeyFactory,
    UserFactory,
    code_for,
)
from tests.mailers import use_outbox
from tests.portal.pages import text

pytestmark = pytest.mark.usefixtures("at_noon")
RECORD, LOOK_UP = reverse("record"), reverse("record_recipient")
CARD = "2123400001234"


@pytest.fixture
def patron(patron):
    """Return Sam, who has confirmed his email address."""
    confirm(patron)
    return patron


@pytest.fixture
def choose(library):
    def choose(children):
        library.children = children
        library.save()

    return choose


@pytest.fixture
def stranger(library):
    """Return a patron whose card number and email address are similar to Sam's."""
    person = UserFactory(name="Samira Stranger", email="sam.o@example.org")
    give_card(person, CARD + "5")
    return person


def confirm(person):
    EmailAddress.objects.create(user=person, email=person.email, verified=True, primary=True)


def give_card(person, barcode=CARD):
    LibraryCard.objects.create(person=person, ils_id=barcode, barcode=barcode, seen_at=timezone.now())


def shown(response):
    return re.sub(r"\s+", " ", unescape(text(response)))


def look_up(desk, typed, **fields):
    return desk.post(LOOK_UP, {"for_whom": typed, **fields}, headers={"HX-Request": "true"})


def agreed(desk, for_whom, **fields):
    """Look up the patron. Return the fields that the form posts if the patron agrees to the consent text."""
    page = look_up(desk, for_whom, **fields).content.decode()
    mark = re.search(r'name="shown" value="([^"]+)"', page)[1]
    return {"for_whom": for_whom, "agreed": "on", "shown": mark, **fields}


def errors(response):
    assert response.status_code == 422
    return {name: found[0] for name, found in response.context["form"].errors.items()}


def events(person, action):
    return list(
        AuditEvent.objects.filter(patron=person, action=action).values_list("by__name", "where", "subject")
    )


@pytest.mark.parametrize("typed_in", ["sam@example.org", " SAM@example.org", CARD, "2 1234 0000 1234"])
def test_complete_card_number_or_email_address_shows_the_patron_and_the_consent_text(
    desk, staff, patron, stranger, typed_in
):
    give_card(patron)
    page = look_up(desk, typed_in)
    words = shown(page)
    for part in (
        "Sam Okafor",
        "s•••@example.org",
        "Read this text aloud",
        "We keep the visit until",
        "You don't need a code. You can see the visit when you sign in.",
    ):
        assert part in words
    for secret in ("sam@example.org", "Samira", CARD, "<html", "slip"):
        assert secret not in page.content.decode()
    assert events(patron, "looked_up") == [(staff.name, "record", str(patron.public_id))]
    assert events(stranger, "looked_up") == []


@pytest.mark.few_cases
@pytest.mark.parametrize("part", ["sam@example.or", "sam", "@example.org", "212340000123", "Sam Okafor", "%"])
def test_part_of_a_card_number_or_email_address_or_name_finds_no_recipient(desk, patron, stranger, part):
    give_card(patron)
    words = shown(look_up(desk, part))
    for secret in ("Okafor", "Samira", "Read this text"):
        assert secret not in words
    assert events(patron, "looked_up") == []


def test_card_number_that_two_patrons_have_finds_no_recipient(desk, patron, stranger):
    for number, person in enumerate([patron, stranger]):
        LibraryCard.objects.create(
            person=person, ils_id=f"9{number}", barcode="2123400009999", seen_at=timezone.now()
        )
    assert "We found nobody with this card number" in shown(look_up(desk, "2123400009999"))


def test_empty_recipient_field_shows_nothing_and_is_not_counted_as_a_search(desk):
    empty = '<input type="hidden" name="default_language" id="id_default_language">'
    assert look_up(desk, "  ").content.decode().strip() == empty


def test_recorded_visit_stores_the_consent_text_that_staff_read_to_the_patron(
    desk, staff, patron, typed, item
):
    patron.language = "es"
    patron.save()
    fields = agreed(desk, "sam@example.org")
    read = re.search(
        r"<blockquote.*?</blockquote>", look_up(desk, "sam@example.org").content.decode(), re.DOTALL
    )[0]
    rows = {"items-TOTAL_FORMS": "1", "items-0-item": str(item.public_id), "items-0-reason": "courage"}
    answer = desk.post(RECORD, typed(**fields, **rows))
    visit = HelpSession.objects.get()
    assert answer.url == reverse("slip", args=[visit.public_id])
    assert (visit.patron, visit.kept_at, visit.handed_over_at, visit.status) == (
        patron,
        timezone.now(),
        timezone.now(),
        "recorded",
    )
    assert [link.recommendation.patron for link in visit.recommendation_links.all()] == [patron]
    consent = Consent.objects.get()
    assert (consent.person, consent.subject, consent.language, consent.read_by) == (
        patron,
        visit.public_id,
        "es",
        staff,
    )
    sentences = [unescape(sentence) for sentence in re.findall(r"<p[^>]*>(.*?)</p>", read)]
    assert consent.wording == "\n".join(sentences)
    assert events(patron, "kept") == [(staff.name, "", str(visit.public_id))]
    assert not ClaimCode.objects.exists()
    page = shown(desk.get(answer.url))
    assert "The visit is now in the account of Sam Okafor." in page
    assert "The visit needs no code." in page
    assert "Send by email" not in page
    page = shown(desk.get(reverse("desk_session", args=[visit.public_id])))
    assert "Added to the patron's account (" in page
    assert "codes no longer work" not in page


def test_recording_a_visit_for_a_patron_of_another_branch_is_logged_with_a_reason(
    desk, staff, patron, typed, branch
):
    desk.post(RECORD, typed(**agreed(desk, "sam@example.org")))
    reasons = LookingReason.objects.values_list("reason", "event__by__name", "patron__name")
    assert list(reasons) == [("Recording a visit for this patron", staff.name, "Sam Okafor")]
    assert desk.get(reverse("patron_record", args=[patron.public_id])).status_code == 200
    desk.post(RECORD, typed(**agreed(desk, "sam@example.org")))
    assert LookingReason.objects.count() == 1


def test_recording_a_visit_for_a_patron_of_the_same_branch_is_logged_without_a_reason(
    desk, staff, patron, typed, branch
):
    HelpSessionFactory(patron=patron, branch=branch)
    desk.post(RECORD, typed(**agreed(desk, "sam@example.org")))
    assert HelpSession.objects.filter(patron=patron).count() == 2
    assert not LookingReason.objects.exists()


def test_patron_sees_the_recorded_visit_on_the_home_page(desk, patron, typed, sign_in):
    desk.post(RECORD, typed(**agreed(desk, "sam@example.org")))
    page = sign_in(Client(), patron).get(reverse("home"))
    assert "Books like Mockingbird?" in shown(page)


def test_code_card_stops_working_when_the_visit_is_recorded_for_a_patron(desk, patron, typed):
    desk.post(RECORD, typed(card=code_for(None), **agreed(desk, "sam@example.org")))
    assert HelpSession.objects.get().patron == patron
    assert ClaimCode.objects.get().state == ClaimCode.State.KEPT


def test_visit_is_recorded_without_javascript_after_the_consent_text_was_shown(desk, patron, typed):
    fields = typed(for_whom="sam@example.org", summary="stays", note="stays too")
    answer = desk.post(RECORD, fields)
    assert list(errors(answer)) == ["agreed"]
    page = answer.content.decode()
    for kept in ("stays", "stays too", 'value="sam@example.org"', "Read this text aloud"):
        assert kept in page
    assert 'name="agreed" id="id_agreed" checked' not in page
    assert not HelpSession.objects.recorded().exists()
    mark = re.search(r'name="shown" value="([^"]+)"', page)[1]
    desk.post(RECORD, {**fields, "shown": mark, "agreed": "on"})
    assert HelpSession.objects.get().patron == patron


@pytest.mark.parametrize("change", [{"agreed": ""}, {"shown": ""}, {"shown": "x" * 64}])
def test_visit_is_recorded_only_after_the_patron_has_heard_the_text_and_agreed(desk, patron, typed, change):
    answer = desk.post(RECORD, typed(**{**agreed(desk, "sam@example.org"), **change}))
    assert list(errors(answer)) == ["agreed"]
    assert not HelpSession.objects.recorded().exists()
    assert "checked" not in re.search(r"<input[^>]*id_agreed[^>]*>", answer.content.decode())[0]


def test_consent_text_must_be_read_again_if_the_retention_choice_changed(desk, patron, typed):
    fields = agreed(desk, "sam@example.org")
    User.objects.filter(pk=patron.pk).update(remember="30")
    assert list(errors(desk.post(RECORD, typed(**fields)))) == ["agreed"]
    desk.post(RECORD, typed(**agreed(desk, "sam@example.org")))
    assert "We keep the visit until April 3, 2026." in Consent.objects.get().wording


def test_record_form_with_an_error_still_shows_the_patron_and_the_consent(desk, patron, typed):
    fields = agreed(desk, "sam@example.org")
    answer = desk.post(RECORD, typed(people="0", **fields))
    assert list(errors(answer)) == ["people"]
    page = answer.content.decode()
    assert 'value="sam@example.org"' in page
    assert "checked" in re.search(r"<input[^>]*id_agreed[^>]*>", page)[0]
    assert f'name="shown" value="{fields["shown"]}"' in page


def test_unknown_card_number_is_an_error_beside_the_field(desk, typed, patron):
    answer = desk.post(RECORD, typed(for_whom="999", note="stays"))
    assert errors(answer)["for_whom"].startswith("We found nobody with this card number.")
    for kept in ('value="999"', "stays"):
        assert kept in answer.content.decode()
    assert not HelpSession.objects.recorded().exists()


def test_invalid_email_address_is_an_error_beside_the_field(desk, typed):
    assert errors(desk.post(RECORD, typed(for_whom="ana@")))["for_whom"].startswith(
        "Enter the full email address"
    )


# Tests of addresses without an account.


@pytest.fixture(params=["unknown", "typed at sign-in", "added at the desk"])
def address(request, staff, library):
    """Return an email address that nobody has confirmed."""
    if request.param == "typed at sign-in":
        person_with_address("ana@example.org", at=timezone.now())
    elif request.param == "added at the desk":
        person_added_at_desk(
            name="Ana Zqx", email="ana@example.org", language="en", by=staff, at=timezone.now()
        )
    return "ana@example.org"


def test_email_address_without_an_account_gets_a_code_by_email(desk, typed, settings, address):
    use_outbox(settings)
    page = look_up(desk, address)
    assert "This isn't the confirmed address of any account." in shown(page)
    for secret in ("Zqx", "id_agreed", "<blockquote"):
        assert secret not in page.content.decode()
    fields = agreed(desk, address)
    answer = desk.post(RECORD, typed(question="Zqxsecret", **fields))
    visit = HelpSession.objects.get()
    assert (visit.patron, Consent.objects.count()) == (None, 0)
    Worker().deliver_due()
    [message] = mail.outbox
    assert message.to == [address]
    slip = desk.get(answer.url)
    assert "".join(slip.context["grouped"].split()) in message.body
    assert "Zqxsecret" not in str(message.message())
    assert "We're sending the link to ana@example.org." in shown(slip)
    assert slip.context["sent"]["to"] == "a•••@example.org"
    assert visit.claim_codes.get().state == ClaimCode.State.LIVE


def test_staff_must_confirm_an_unknown_email_address_before_a_code_is_sent_to_it(desk, typed, settings):
    use_outbox(settings)
    fields = typed(for_whom="ana@example.org")
    answer = desk.post(RECORD, fields)
    assert errors(answer)["for_whom"].startswith("Check this address with the patron")
    mark = re.search(r'name="shown" value="([^"]+)"', answer.content.decode())[1]
    assert errors(desk.post(RECORD, {**fields, "for_whom": "ann@example.org", "shown": mark}))
    Worker().deliver_due()
    assert (mail.outbox, HelpSession.objects.recorded().count()) == ([], 0)
    desk.post(RECORD, {**fields, "shown": mark})
    Worker().deliver_due()
    assert [message.to for message in mail.outbox] == [["ana@example.org"]]


def test_visit_for_an_email_address_without_an_account_needs_a_code(desk, typed):
    answer = desk.post(RECORD, typed(action="save_only", **agreed(desk, "ana@example.org")))
    assert errors(answer)["for_whom"] == (
        "This address has no account, so only a code can open the visit. Choose “Save and give to the "
        "patron”."
    )


def test_visit_of_a_patron_with_an_account_can_be_saved_without_a_code(desk, typed, patron):
    desk.post(RECORD, typed(action="save_only", **agreed(desk, "sam@example.org")))
    assert HelpSession.objects.get().patron == patron


def test_email_address_without_an_account_gets_a_code_even_if_a_code_card_is_attached(desk, typed, settings):
    use_outbox(settings)
    desk.post(RECORD, typed(card=code_for(None), **agreed(desk, "ana@example.org")))
    Worker().deliver_due()
    assert (len(mail.outbox), ClaimCode.objects.live(timezone.now()).count()) == (1, 2)


@pytest.mark.parametrize("way", ["card", "email", "passkey"])
def test_patron_who_can_sign_in_gets_no_visit_code(desk, typed, settings, way):
    settings.ILS = "demo" if way == "card" else ""
    person = UserFactory(email="ana@example.org" if way == "email" else None)
    give_card(person)
    if way == "email":
        confirm(person)
    if way == "passkey":
        PasskeyFactory(person=person)
    desk.post(RECORD, typed(**agreed(desk, CARD)))
    visit = HelpSession.objects.get()
    assert (visit.patron, visit.claim_codes.count()) == (person, 0)


def test_patron_who_cannot_sign_in_gets_a_visit_code(desk, typed, settings):
    settings.ILS = ""
    give_card(UserFactory(email=None, name="Zqx"))
    answer = desk.post(RECORD, typed(for_whom=CARD))
    assert errors(answer)["for_whom"].startswith("This patron can't sign in")
    assert "Zqx" not in shown(answer)
    desk.post(RECORD, typed())
    assert HelpSession.objects.recorded().get().claim_codes.count() == 1


# Tests of limits.


def test_searches_for_a_recipient_are_limited_but_a_found_patron_can_still_be_chosen(
    desk, patron, typed, monkeypatch
):
    monkeypatch.setitem(LIMITS, "look_up", Limit("look-ups", person="2/h"))
    fields = agreed(desk, "sam@example.org")
    look_up(desk, "sam@example.org")
    assert len(events(patron, "looked_up")) == 1
    look_up(desk, "ana@example.org")
    other = UserFactory(name="Zqx", email="zqx@example.org")
    confirm(other)
    for response in (look_up(desk, "zqx@example.org"), desk.post(RECORD, typed(for_whom="zqx@example.org"))):
        assert "Zqx" not in shown(response)
        assert "field-error" in response.content.decode()
    assert events(other, "looked_up") == []
    desk.post(RECORD, typed(**fields))
    assert HelpSession.objects.recorded().get().patron == patron


def test_emails_to_one_address_are_limited_and_the_form_is_shown_again(desk, typed, settings, monkeypatch):
    use_outbox(settings)
    monkeypatch.setitem(LIMITS, "hand_over_by_mail", Limit("emails", target="1/h"))
    for _ in range(2):
        answer = desk.post(RECORD, typed(note="stays", **agreed(desk, "ana@example.org")))
    assert (answer.status_code, list(answer.context["form"].errors)) == (429, ["for_whom"])
    assert "stays" in answer.content.decode()
    assert HelpSession.objects.recorded().count() == 1


# Tests of quiet visits, children and contacts.


def test_quiet_visit_cannot_be_recorded_for_a_patron(desk, patron, typed):
    assert "Okafor" not in shown(look_up(desk, "sam@example.org", quiet="on"))
    answer = desk.post(RECORD, typed(quiet="on", **agreed(desk, "sam@example.org")))
    assert errors(answer)["for_whom"] == "A quiet session has no name. Leave this field empty."
    desk.post(RECORD, typed(quiet="on"))
    assert HelpSession.objects.recorded().get().patron is None


def test_visit_with_a_child_cannot_be_recorded_for_an_email_address(desk, choose, patron, typed):
    choose("own")
    answer = desk.post(RECORD, typed(with_child="on", for_whom="sam@example.org"))
    assert errors(answer)["for_whom"] == "For a visit with a child, enter the number of a library card."
    assert "Okafor" not in shown(answer)
    assert events(patron, "looked_up") == []


def test_paper_only_visit_cannot_be_recorded_for_a_patron(desk, choose, typed):
    choose("paper")
    give_card(ChildFactory(name="Mia"))
    answer = desk.post(RECORD, typed(with_child="on", for_whom=CARD))
    assert errors(answer)["for_whom"] == "Children get paper only. Leave this field empty."
    assert "Mia" not in shown(answer)


def test_childs_visit_is_recorded_for_the_child_if_staff_type_the_childs_card_number(desk, choose, typed):
    choose("own")
    child = ChildFactory(name="Mia")
    give_card(child)
    desk.post(RECORD, typed(**agreed(desk, CARD, with_child="on")))
    visit = HelpSession.objects.get()
    assert (visit.patron, visit.with_child, visit.claim_codes.count()) == (child, "own", 0)


def test_staff_are_warned_if_a_childs_own_visit_is_recorded_for_an_adult(desk, choose):
    choose("own")
    give_card(UserFactory())
    give_card(ChildFactory(), CARD + "6")
    warning = "Make sure that this is the child's own card."
    assert warning in shown(look_up(desk, CARD, with_child="on"))
    assert warning not in shown(look_up(desk, CARD + "6", with_child="on"))
    assert warning not in shown(look_up(desk, CARD))


@pytest.mark.parametrize(
    ("who", "part", "words"),
    [
        (ChildFactory, "patron", "You can stop sharing the visit at any time."),
        (UserFactory, "shared_with", "You share this visit with the child."),
    ],
)
def test_recording_a_shared_visit_for_one_person_makes_a_code_for_the_other(
    desk, choose, typed, who, part, words
):
    choose("shared")
    person = who()
    give_card(person)
    fields = agreed(desk, CARD, with_child="on")
    assert words in shown(look_up(desk, CARD, with_child="on"))
    answer = desk.post(RECORD, typed(**fields))
    visit = HelpSession.objects.get()
    assert {name: getattr(visit, name) for name in ("patron", "shared_with")} == {
        "patron": None,
        "shared_with": None,
    } | {part: person}
    assert visit.claim_codes.get().state == ClaimCode.State.LIVE
    assert desk.get(answer.url).context["grouped"]
    assert words in Consent.objects.get().wording


def test_consent_text_must_be_read_again_if_the_child_switch_changed(desk, choose, typed):
    choose("shared")
    give_card(UserFactory())
    assert list(errors(desk.post(RECORD, typed(with_child="on", **agreed(desk, CARD))))) == ["agreed"]


def test_form_that_counts_a_contact_cannot_record_a_visit_for_a_patron(desk, branch, patron, typed):
    conversation = ConversationFactory(branch=branch)
    page = desk.get(RECORD, {"conversation": str(conversation.public_id)}).content.decode()
    assert 'name="for_whom"' not in page
    fields = agreed(desk, "sam@example.org")
    desk.post(RECORD, typed(action="save_only", conversation=str(conversation.public_id), **fields))
    assert HelpSession.objects.filter(patron=patron).count() == 0
    assert HelpSession.objects.filter(patron=None, question="Books like Mockingbird?").count() == 1


# Tests of drafts.


@pytest.mark.parametrize("action", ["later", "find", "autosave", "save"])
def test_draft_never_stores_the_card_number_or_email(desk, patron, typed, action):
    give_card(patron)
    for for_whom in ("sam@example.org", CARD):
        fields = typed(people="0", action=action, **agreed(desk, for_whom))
        desk.post(reverse("autosave") if action == "autosave" else RECORD, fields)
        draft = UnfinishedForm.objects.latest("saved_at")
        saved = json.dumps(draft.fields)
        assert "Books like Mockingbird?" in saved
        for secret in (for_whom, "for_whom", "agreed", "shown"):
            assert secret not in saved


def test_message_after_finish_later_says_that_the_card_number_was_not_saved(desk, typed):
    page = desk.post(RECORD, typed(action="later", for_whom=CARD), follow=True)
    assert "Saved without the card number or email of the patron." in shown(page)


def test_finding_items_without_javascript_keeps_the_card_number_on_the_page(desk, typed, item):
    page = desk.post(RECORD, typed(action="find", q="mockingbird", for_whom=CARD), follow=True)
    assert page.status_code == 200
    for kept in (f'value="{CARD}"', f"pick-{item.public_id}"):
        assert kept in page.content.decode()


def test_record_form_is_shown_again_if_the_patrons_account_was_erased_meanwhile(
    desk, patron, typed, monkeypatch
):
    fields = agreed(desk, "sam@example.org")
    monkeypatch.setattr(
        "portal.desk.recipients.Recipient.check_shown",
        lambda self, form: User.objects.filter(pk=self.person.pk).update(is_active=False),
    )
    page = desk.post(RECORD, typed(**fields), follow=True)
    assert (
        "The account of this patron no longer exists. Nothing was recorded, and your text is still here."
        in shown(page)
    )
    assert "Books like Mockingbird?" in page.content.decode()
    assert not HelpSession.objects.recorded().exists()


def test_posting_the_record_form_for_a_patron_twice_records_one_visit(desk, patron, typed):
    fields = typed(**agreed(desk, "sam@example.org"))
    first, second = desk.post(RECORD, fields), desk.post(RECORD, fields)
    assert first.url == second.url
    assert (HelpSession.objects.count(), Consent.objects.count()) == (1, 1)


def test_record_form_without_a_recipient_runs_no_query_about_patrons(desk, patron, typed):
    with CaptureQueriesContext(connection) as form, CaptureQueriesContext(connection) as saved:
        desk.get(RECORD)
        desk.post(RECORD, typed())
    queries = "".join(query["sql"] for query in [*form, *saved])
    for table in ("accounts_librarycard", "account_emailaddress", "accounts_consent"):
        assert table not in queries
