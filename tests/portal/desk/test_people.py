"""Test how staff find, open, add and merge patron records, and that each lookup is logged."""

import datetime
import re

import pytest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import strip_tags

from accounts import audit
from accounts.models import AuditEvent, Consent, LibraryCard, LookingReason, User
from accounts.patron.people import forget_unconfirmed_people, person_with_address
from portal.desk.people import find
from portal.helpsessions import codes
from portal.helpsessions.models import ClaimCode, HelpSession
from tests.factories import (
    BranchFactory,
    ConversationFactory,
    HelpSessionFactory,
    MessageFactory,
    QuietSessionFactory,
    StaffFactory,
    UserFactory,
    code_for,
)
from tests.portal.pages import text

PEOPLE = reverse("patrons")
BY_NAME = reverse("patrons_by_name")


@pytest.fixture
def stranger(library):
    """Return a patron without any visit at this branch."""
    return UserFactory(name="Zoë Ångström", email="zoe@example.org")


@pytest.fixture
def visit_here(branch, staff, patron):
    """Return a visit at this branch that Sam has in his account."""
    return HelpSessionFactory(branch=branch, staff=staff, patron=patron, question="Books about bees?")


def record(person):
    return reverse("patron_record", args=[person.public_id])


def log_entries(person):
    return list(
        AuditEvent.objects.filter(patron=person)
        .order_by("pk")
        .values_list("action", "subject_type", "subject", "where")
    )


def test_complete_email_address_finds_exactly_one_patron(desk, visit_here, patron):
    UserFactory(name="Sam Okafor", email="sam.okafor@example.org")
    answer = desk.post(PEOPLE, {"identifier": " SAM@example.org "})
    assert (answer.status_code, answer.url) == (302, record(patron))
    assert log_entries(patron) == [("looked_up", "user", str(patron.public_id), "people")]


def card(person, barcode, ils_id):
    return LibraryCard.objects.create(
        person=person, ils_id=ils_id, barcode=barcode, patron_group="Adult", seen_at=timezone.now()
    )


@pytest.mark.parametrize("typed", ["2 1234 0000 1234", "21234 00001234\n"])
def test_complete_card_number_finds_exactly_one_patron(desk, visit_here, patron, stranger, typed):
    card(patron, "21234" + "00001234", "7")
    card(stranger, "2123400001235", "8")
    assert desk.post(PEOPLE, {"identifier": typed}).url == record(patron)
    page = text(desk.get(record(patron)))
    for shown in ("…1234", "Adult"):
        assert shown in page


def test_card_field_has_the_focus_when_the_page_opens(desk):
    field = re.compile(r'<input[^>]* id="id_identifier"[^>]*>')
    assert " autofocus" in field.search(desk.get("/desk/people/").content.decode())[0]
    # After an error, the error message gets the focus.
    refused = desk.post("/desk/people/", {"identifier": "ana@"})
    assert " autofocus" not in field.search(refused.content.decode())[0]


@pytest.mark.parametrize("typed", ["2123400001", "0001234", "21234000012345", "%", "2123400009999"])
def test_partial_or_ambiguous_card_number_finds_nobody(desk, patron, stranger, typed):
    card(patron, "2123400001234", "7")
    for number, person in enumerate([patron, stranger]):
        card(person, "2123400009999", f"9{number}")
    answer = desk.post(PEOPLE, {"identifier": typed})
    assert answer.status_code == 422
    assert (log_entries(patron), log_entries(stranger)) == ([], [])


@pytest.mark.few_cases
@pytest.mark.parametrize(
    "typed", ["sam@example.or", "sam", "@example.org", "", "%@example.org", "sam@example.org' OR 1=1"]
)
def test_partial_email_address_finds_nobody(desk, visit_here, patron, typed):
    answer = desk.post(PEOPLE, {"identifier": typed})
    assert answer.status_code == 422
    assert "Okafor" not in answer.content.decode()
    assert log_entries(patron) == []


def test_unconfirmed_email_address_finds_nobody(desk):
    person_with_address("typed@example.org", at=timezone.now())
    assert "We found nobody with this card number or address" in text(
        desk.post(PEOPLE, {"identifier": "typed@example.org"})
    )


@pytest.mark.parametrize("letters", ["zoe", "ang", "ÅNG", "zoë ångs", "Angstrom Zoe"])
def test_name_search_with_a_reason_finds_matching_patrons(desk, stranger, letters):
    UserFactory(name="Zora Neale")
    HelpSessionFactory(patron=stranger, branch=BranchFactory(name="Hill"))
    page = desk.post(BY_NAME, {"letters": letters, "reason": "On the phone, without a card"})
    assert page.status_code == 200
    words = text(page)
    for shown in ("Zoë Ångström", "z•••@example.org", "Hill"):
        assert shown in words
    for hidden in ("Zora", "zoe@example.org"):
        assert hidden not in words
    assert log_entries(stranger) == [("looked_up", "user", str(stranger.public_id), "people")]
    assert list(LookingReason.objects.values_list("reason", flat=True)) == ["On the phone, without a card"]


def give_card(person, barcode):
    LibraryCard.objects.create(person=person, ils_id=barcode, barcode=barcode, seen_at=timezone.now())


@pytest.fixture
def namesakes(library):
    """Return two people with the same name and the same masked email address."""
    first, second = (
        UserFactory(name="Ana Ruiz", email="ana@example.org"),
        UserFactory(name="ANA RUÍZ", email="aruiz@example.org"),
    )
    give_card(first, "21234000123456")
    User.objects.filter(pk=first.pk).update(joined_at="2024-03-03T12:00Z")
    User.objects.filter(pk=second.pk).update(joined_at="2025-07-03T12:00Z")
    return first, second


def test_name_search_shows_how_two_patrons_with_the_same_name_differ(desk, namesakes):
    give_card(UserFactory(name="Ana Ruizito"), "9999888877776666")
    page = desk.post(BY_NAME, {"letters": "ana ruiz", "reason": "On the phone"})
    assert {person.name: person.apart for person in page.context["fitting"]} == {
        "Ana Ruiz": "card ending in 3456, joined March 2024",
        "ANA RUÍZ": "no library card, joined July 2025",
        "Ana Ruizito": "",
    }
    words = text(page)
    assert "card ending in 3456, joined March 2024" in words
    for hidden in ("21234000123456", "6666", "ana@example.org"):
        assert hidden not in words


def test_record_form_shows_more_about_a_patron_only_if_another_patron_has_the_same_name(desk, namesakes):
    look_up = reverse("record_recipient")
    answer = text(desk.post(look_up, {"for_whom": "21234000123456"}))
    assert "card ending in 3456, joined March 2024" in answer
    assert "July 2025" not in answer
    namesakes[1].name = "Ana Ruizito"
    namesakes[1].save()
    answer = text(desk.post(look_up, {"for_whom": "21234000123456"}))
    assert "Ana Ruiz" in answer
    assert "card ending in" not in answer


def test_merge_page_shows_how_records_with_the_same_masked_address_differ(
    client, sign_in, coordinator, visit_here, patron, namesakes
):
    sign_in(client, coordinator)
    client.post(BY_NAME, {"letters": "ana ruiz", "reason": "They say they have two"})
    choice = text(client.get(reverse("desk_merge_records", args=[patron.public_id])))
    assert choice.count("a•••@example.org") == 2
    for words in ("card ending in 3456, joined March 2024", "no library card, joined July 2025"):
        assert words in choice
    assert "Ana" not in choice
    join = reverse("desk_merge_records", args=[namesakes[0].public_id])
    preview = text(client.get(join, {"with": namesakes[1].public_id}))
    assert "card ending in 3456, joined March 2024" in preview


@pytest.mark.parametrize(
    "typed",
    [
        {"letters": "zo", "reason": "Because"},
        {"letters": "z o", "reason": "Because"},
        {"letters": "...", "reason": "Because"},
        {"letters": "zoë"},
        {},
    ],
)
def test_name_search_needs_three_letters_and_a_reason(desk, stranger, typed):
    answer = desk.post(BY_NAME, typed)
    assert answer.status_code == 422
    assert "Ångström" not in answer.content.decode()
    assert log_entries(stranger) == []


def test_name_search_with_more_than_eight_matches_shows_nobody(desk, library):
    people = UserFactory.create_batch(find.MAX_LISTED + 1, name="Sam Smith")
    answer = desk.post(BY_NAME, {"letters": "smith", "reason": "Because"})
    assert answer.status_code == 422
    assert "More than 8 people match" in text(answer)
    assert "Sam Smith" not in answer.content.decode()
    assert [log_entries(person) for person in people] == [[]] * len(people)


def test_name_search_without_a_match_says_that_no_patron_was_found(desk, stranger):
    assert "No patron found" in text(desk.post(BY_NAME, {"letters": "qqq", "reason": "Because"}))


def test_opening_the_record_of_a_patron_of_the_branch_is_logged_without_a_reason(desk, visit_here, patron):
    ConversationFactory(help_session=visit_here, subject="Which bees?")
    page = text(desk.get(record(patron)))
    for shown in ("Sam Okafor", "sam@example.org", "Books about bees?", "Which bees?"):
        assert shown in page
    assert log_entries(patron) == [("opened", "user", str(patron.public_id), "people")]
    assert not LookingReason.objects.exists()


def test_conversation_links_to_the_patron_record(desk, visit_here, patron):
    conversation = ConversationFactory(help_session=visit_here)
    MessageFactory(conversation=conversation)
    assert record(patron) in desk.get(f"/desk/conversations/{conversation.public_id}/").content.decode()
    desk.get(
        record(patron), headers={"Referer": f"http://testserver/desk/conversations/{conversation.public_id}/"}
    )
    assert log_entries(patron)[-1] == ("opened", "user", str(patron.public_id), "conversation")


def test_patron_record_of_another_branch_is_404_if_staff_did_not_search_for_the_patron(desk, stranger):
    assert desk.get(record(stranger)).status_code == 404
    assert desk.post(record(stranger), {"reason": "Because"}).status_code == 404
    assert log_entries(stranger) == []


def test_patron_record_of_another_branch_opens_with_a_reason(desk, stranger):
    HelpSessionFactory(
        patron=stranger, branch=BranchFactory(name="Hill"), question="Elsewhere and mine alone"
    )
    desk.post(PEOPLE, {"identifier": "zoe@example.org"})
    asked = text(desk.get(record(stranger)))
    assert "Why are you opening this record?" in asked
    assert "At Hill" not in asked
    assert desk.post(record(stranger), {"reason": " "}).status_code == 422
    assert [action for action, *_ in log_entries(stranger)] == ["looked_up"]
    desk.post(record(stranger), {"reason": "They stand here"})
    page = text(desk.get(record(stranger)))
    assert "At Hill" in page
    assert "Elsewhere and mine alone" not in page
    assert [action for action, *_ in log_entries(stranger)] == ["looked_up", "said_why", "opened"]
    assert set(LookingReason.objects.values_list("reason", flat=True)) == {"They stand here"}


def test_reason_for_a_search_is_not_stored_in_the_django_session(desk, stranger):
    desk.post(BY_NAME, {"letters": "zoe", "reason": "Zqxreason on the phone"})
    assert "Zqxreason" not in str(dict(desk.session))
    assert "Patron details" in text(desk.get(record(stranger)))
    LookingReason.objects.all().delete()
    assert "Why are you opening this record?" in text(desk.get(record(stranger)))


def test_reason_for_a_name_search_is_logged_again_when_staff_open_the_record(desk, stranger):
    desk.post(BY_NAME, {"letters": "zoe", "reason": "On the phone"})
    assert "Patron details" in text(desk.get(record(stranger)))
    assert list(LookingReason.objects.values_list("reason", "event__action").order_by("pk")) == [
        ("On the phone", "looked_up"),
        ("On the phone", "opened"),
    ]


def test_django_session_contains_no_public_id_of_a_patron_who_was_looked_up(desk, stranger):
    desk.post(BY_NAME, {"letters": "zoe", "reason": "On the phone"})
    desk.get(record(stranger))
    assert str(stranger.public_id) not in str(dict(desk.session))


def test_patron_record_from_a_search_cannot_be_opened_the_next_day(desk, stranger, library):
    desk.post(BY_NAME, {"letters": "zoe", "reason": "On the phone"})
    session = desk.session
    session[find.FOUND] = session[find.FOUND] | {"on": "2026-01-01"}
    session.save()
    assert desk.get(record(stranger)).status_code == 404


def test_staff_member_cannot_open_a_patron_record_that_only_a_colleague_found(
    client, desk, stranger, elsewhere, sign_in
):
    desk.post(BY_NAME, {"letters": "zoe", "reason": "On the phone"})
    client.logout()
    assert sign_in(client, elsewhere).get(record(stranger)).status_code == 404


@pytest.mark.only_long
@pytest.mark.slow
def test_patron_lookups_are_limited_to_sixty_per_hour(desk, library, stranger):
    answers = [desk.post(PEOPLE, {"identifier": f"nobody{number}@example.org"}) for number in range(61)]
    assert "tried too many times" in text(answers[-1])
    assert "tried too many times" not in text(answers[-2])
    assert "tried too many times" in text(desk.post(PEOPLE, {"identifier": "zoe@example.org"}))
    assert log_entries(stranger) == []


@pytest.mark.slow
def test_name_searches_are_limited_to_twenty_per_hour(desk, stranger):
    for _ in range(20):
        desk.post(BY_NAME, {"letters": "qqq", "reason": "Because"})
    answer = desk.post(BY_NAME, {"letters": "zoe", "reason": "Because"})
    assert answer.status_code == 429
    assert "tried too many times" in text(answer)
    assert "Ångström" not in answer.content.decode()


@pytest.mark.parametrize("rows", [1, 20])
def test_patron_record_runs_the_same_number_of_queries_for_1_and_20_visits(
    desk, branch, staff, patron, rows, django_assert_num_queries
):
    for _ in range(rows):
        ConversationFactory(help_session=HelpSessionFactory(branch=branch, staff=staff, patron=patron))
    with django_assert_num_queries(12):
        desk.get(record(patron))


def test_visits_and_conversations_of_a_patron_record_are_paginated_separately(desk, branch, staff, patron):
    for number in range(22):
        ConversationFactory(
            help_session=HelpSessionFactory(
                branch=branch, staff=staff, patron=patron, question=f"Question {number:02}?"
            ),
            subject=f"Conversation {number:02}",
        )
    first = desk.get(record(patron))
    assert first.context["older_visits"]
    assert first.context["older_conversations"]
    older = desk.get(record(patron), {"after": first.context["older_visits"]})
    assert len(older.context["visits"]) == 2
    assert older.context["conversations"] == first.context["conversations"]


# Tests of adding patrons.


def test_patron_can_be_added_with_only_a_name(desk, staff):
    answer = desk.post(reverse("add_patron"), {"name": "Old Mr Pike", "email": "", "language": "es"})
    person = User.objects.get(name="Old Mr Pike")
    assert (answer.url, person.email, person.language, person.emailaddress_set.count()) == (
        record(person),
        None,
        "es",
        0,
    )
    assert log_entries(person) == [
        ("added_at_desk", "user", str(person.public_id), ""),
        ("said_why", "user", str(person.public_id), "people"),
    ]
    assert "Old Mr Pike" in text(desk.get(record(person)))


def test_email_address_that_staff_typed_is_unconfirmed(client, desk, sign_in):
    desk.post(reverse("add_patron"), {"name": "Old Mr Pike", "email": "Pike@Example.org", "language": "en"})
    person = User.objects.get(email="pike@example.org")
    assert [(row.verified, row.primary) for row in person.emailaddress_set.all()] == [(False, True)]
    assert "not confirmed yet" in text(desk.get(record(person)))


def test_new_patron_cannot_have_the_email_address_of_another_patron(desk, patron):
    answer = desk.post(
        reverse("add_patron"), {"name": "Somebody", "email": "sam@example.org", "language": "en"}
    )
    assert answer.status_code == 422
    assert "Someone already has this email address" in text(answer)
    patron.refresh_from_db()
    assert patron.name == "Sam Okafor"


def test_patron_whom_staff_added_is_not_deleted_as_unconfirmed(desk):
    desk.post(reverse("add_patron"), {"name": "Old Mr Pike", "email": "pike@example.org", "language": "en"})
    forget_unconfirmed_people(at=timezone.now() + datetime.timedelta(days=9))
    assert User.objects.filter(email="pike@example.org").exists()


# Tests of adding visits to an account.


@pytest.fixture
def visit(branch, staff):
    return HelpSessionFactory(branch=branch, staff=staff, question="Where are the tax forms?")


def keep(desk, person, visit):
    return desk.post(reverse("keep_for_patron", args=[person.public_id]), {"session": visit.public_id})


def test_adding_a_visit_to_an_account_saves_the_consent_text_that_was_shown(
    desk, staff, visit_here, patron, visit
):
    code = code_for(visit)
    patron.language = "es"
    patron.save()
    assert str(visit.public_id) in desk.get(f"/desk/sessions/{visit.public_id}/").content.decode()
    assert "Where are the tax forms?" in text(desk.get(PEOPLE, {"session": visit.public_id}))
    found = desk.post(PEOPLE, {"identifier": "sam@example.org", "session": visit.public_id})
    assert found.url == f"{record(patron)}?session={visit.public_id}"
    page = desk.get(found.url)
    read = page.context["wording"]
    assert keep(desk, patron, visit).url == record(patron)
    visit.refresh_from_db()
    assert visit.patron == patron
    consent = Consent.objects.get(subject=visit.public_id)
    assert (consent.person, consent.wording, consent.language, consent.read_by) == (
        patron,
        "\n".join(read),
        "es",
        staff,
    )
    assert ClaimCode.objects.get(hmac=codes.hmac_of(code)).state == ClaimCode.State.KEPT
    assert AuditEvent.objects.filter(action="kept", by=staff, patron=patron).count() == 1


def test_quiet_visit_cannot_be_added_to_an_account(desk, branch, staff, visit_here, patron):
    quiet = QuietSessionFactory(branch=branch, staff=staff)
    assert "keep-for" not in desk.get(f"/desk/sessions/{quiet.public_id}/").content.decode()
    assert "violent" not in text(desk.get(record(patron), {"session": quiet.public_id}))
    keep(desk, patron, quiet)
    quiet.refresh_from_db()
    assert quiet.patron is None
    assert not Consent.objects.exists()


def test_visit_of_one_patron_cannot_be_added_to_another_account(desk, branch, staff, visit_here, patron):
    theirs = HelpSessionFactory(branch=branch, staff=staff, patron=UserFactory())
    assert "Someone already has this visit in their account" in text(desk.get(keep(desk, patron, theirs).url))
    assert HelpSession.objects.get(pk=theirs.pk).patron != patron


def test_adding_a_visit_to_a_record_requires_access_to_the_visit_and_the_record(
    desk, visit_here, patron, visit, stranger
):
    elsewhere = HelpSessionFactory()
    assert keep(desk, patron, elsewhere).status_code == 404
    assert keep(desk, stranger, visit).status_code == 404
    desk.post(PEOPLE, {"identifier": "zoe@example.org"})
    # The search by email address found the patron, but staff must still give a reason to open the record.
    assert keep(desk, stranger, visit).status_code == 404
    assert HelpSession.objects.filter(pk__in=[elsewhere.pk, visit.pk], patron=None).count() == 2


# Tests of lookups with a reason.


def test_coordinator_sees_who_looked_up_a_patron_and_why(
    client, desk, sign_in, coordinator, staff, stranger, visit_here, patron
):
    desk.post(BY_NAME, {"letters": "zoe", "reason": "On the phone"})
    desk.get(record(stranger))
    # Staff need no reason for the record of a patron of their branch. So this lookup isn't in the list.
    desk.get(record(patron))
    assert desk.get(reverse("lookups_with_reason")).status_code == 404
    client.logout()
    page = sign_in(client, coordinator).get(reverse("lookups_with_reason"))
    assert [(look.event.by, look.event.patron, look.reason) for look in page.context["looks"]] == [
        (staff, stranger, "On the phone")
    ] * 2
    assert "Sam Okafor" not in text(page)


def test_lookup_list_can_be_filtered_by_staff_member_and_patron(
    client, sign_in, coordinator, staff, branch, stranger, patron
):
    other = StaffFactory(name="Omar", branch=branch)
    for by, person in ((staff, stranger), (other, stranger), (other, patron)):
        audit.record("opened", person, by=by, patron=person, reason=f"{by} {person}")
    sign_in(client, coordinator)

    def reasons(**asked):
        return {look.reason for look in client.get(reverse("lookups_with_reason"), asked).context["looks"]}

    assert reasons(staff=other.public_id) == {"Omar Zoë Ångström", "Omar Sam Okafor"}
    assert reasons(person=stranger.public_id) == {"Omar Zoë Ångström", "Rosa Lindqvist Zoë Ångström"}
    assert reasons(person=stranger.public_id, staff=other.public_id) == {"Omar Zoë Ångström"}
    assert len(reasons(staff="nonsense")) == 3


def test_deleting_a_patron_deletes_lookup_reasons_but_not_log_entries(staff, stranger):
    audit.record("opened", stranger, by=staff, patron=stranger, reason="They stand here")
    stranger.delete()
    assert not LookingReason.objects.exists()
    assert AuditEvent.objects.filter(action="opened", by=staff, patron=None).exists()


@pytest.mark.parametrize("rows", [1, 30])
def test_lookup_list_runs_the_same_number_of_queries_for_1_and_30_rows(
    client, sign_in, coordinator, staff, rows, django_assert_num_queries
):
    for number in range(rows):
        person = UserFactory(name=f"Person {number}")
        audit.record("opened", person, by=staff, patron=person, reason="Because")
    sign_in(client, coordinator)
    with django_assert_num_queries(6):
        client.get(reverse("lookups_with_reason"))


def test_pages_of_the_lookup_list_show_every_lookup_once(client, sign_in, coordinator, staff, stranger):
    at = timezone.now()
    for number in range(65):
        audit.record("opened", stranger, by=staff, patron=stranger, at=at, reason=f"Reason {number}")
    sign_in(client, coordinator)
    seen, after = [], None
    while True:
        context = client.get(reverse("lookups_with_reason"), {"after": after} if after else {}).context
        seen += [look.reason for look in context["looks"]]
        after = context["after"]
        if after is None:
            break
    assert sorted(seen) == sorted(f"Reason {number}" for number in range(65))


@pytest.mark.few_cases
@pytest.mark.parametrize("after", ["nonsense", "1.", "9" * 40 + ".1", "1.-1", "-99999999999999999999.1"])
def test_lookup_list_ignores_an_invalid_page_parameter(client, sign_in, coordinator, after):
    assert (
        sign_in(client, coordinator).get(reverse("lookups_with_reason"), {"after": after}).status_code == 200
    )


# Tests of merging records.


@pytest.fixture
def second_record(library):
    """Return a second record for Sam, made at another branch."""
    return UserFactory(name="Sammy Okafor", email="sammy@example.org")


@pytest.mark.slow
def test_coordinator_can_merge_and_unmerge_two_records(
    client, sign_in, coordinator, visit_here, patron, second_record
):
    HelpSessionFactory(patron=second_record, branch=BranchFactory(name="Hill"), question="At the other desk?")
    sign_in(client, coordinator)
    join = reverse("desk_merge_records", args=[patron.public_id])
    assert join in client.get(record(patron)).content.decode()
    assert "First look up the other record" in text(client.get(join))
    client.post(BY_NAME, {"letters": "sammy", "reason": "They say they have two"})
    # The list shows no names, because a patron at the desk may see the screen.
    choice = text(client.get(join))
    assert "s•••@example.org" in choice
    assert "Sammy" not in choice
    preview = text(client.get(join, {"with": second_record.public_id}))
    for shown in (
        "Sammy Okafor",
        "Sam Okafor",
        "s•••@example.org",
        "This record will be merged into the other one",
        "The other record will be merged into this one",
        "s•••@example.org will no longer work to sign in",
    ):
        assert shown in preview
    assert log_entries(second_record)[-1][0] == "opened"
    answer = client.post(join, {"with": second_record.public_id})
    assert answer.url == record(patron)
    assert HelpSession.objects.filter(patron=patron).count() == 2
    assert not User.objects.filter(pk=second_record.pk).exists()
    page = client.get(record(patron))
    joined = page.context["joined"][0]
    merged = strip_tags(page.content.decode()).partition("Another record was merged into this one")[2]
    assert merged.split()[:2] == ["·", "today"]
    client.post(reverse("desk_unmerge_records", args=[patron.public_id]), {"joined": joined.public_id})
    assert User.objects.get(pk=second_record.pk).help_sessions.get().question == "At the other desk?"
    assert HelpSession.objects.filter(patron=patron).count() == 1


@pytest.mark.slow
def test_page_from_before_an_upgrade_can_still_merge_and_unmerge_records(
    client, sign_in, coordinator, visit_here, patron, second_record
):
    sign_in(client, coordinator)
    client.post(BY_NAME, {"letters": "sammy", "reason": "They say they have two"})
    client.post(f"{record(patron)}join/", {"with": second_record.public_id})
    assert not User.objects.filter(pk=second_record.pk).exists()
    [joined] = client.get(record(patron)).context["joined"]
    client.post(f"{record(patron)}part/", {"joined": joined.public_id})
    assert User.objects.filter(pk=second_record.pk).exists()


def test_staff_who_are_not_coordinators_cannot_merge_records(desk, visit_here, patron, second_record):
    desk.post(BY_NAME, {"letters": "sammy", "reason": "They say they have two"})
    assert (
        desk.post(
            reverse("desk_merge_records", args=[patron.public_id]), {"with": second_record.public_id}
        ).status_code
        == 404
    )
    assert "Merge with another record" not in text(desk.get(record(patron)))
    assert User.objects.filter(pk=second_record.pk).exists()


def test_records_can_be_merged_only_after_the_coordinator_searched_for_both(
    client, sign_in, coordinator, visit_here, patron, second_record
):
    sign_in(client, coordinator).post(
        reverse("desk_merge_records", args=[patron.public_id]), {"with": second_record.public_id}
    )
    assert User.objects.filter(pk=second_record.pk).exists()


@pytest.mark.slow
def test_merging_a_patron_record_with_a_staff_record_keeps_the_staff_record(
    client, sign_in, coordinator, staff, visit_here, patron
):
    sign_in(client, coordinator)
    client.post(PEOPLE, {"identifier": staff.email})
    client.post(record(staff), {"reason": "They say they have two"})
    client.post(reverse("desk_merge_records", args=[patron.public_id]), {"with": staff.public_id})
    assert User.objects.filter(pk=staff.pk).exists()
    assert visit_here.__class__.objects.get(pk=visit_here.pk).patron == staff


def test_merge_without_a_preview_is_logged_as_opening_both_records(
    client, sign_in, coordinator, visit_here, patron, second_record
):
    sign_in(client, coordinator)
    client.post(BY_NAME, {"letters": "sammy", "reason": "They say they have two"})
    client.post(reverse("desk_merge_records", args=[patron.public_id]), {"with": second_record.public_id})
    opened = AuditEvent.objects.filter(action="opened", by=coordinator)
    assert set(opened.values_list("subject", flat=True)) == {
        str(patron.public_id),
        str(second_record.public_id),
    }
    assert "They say they have two" in opened.get(subject=str(second_record.public_id)).looking.reason


def test_coordinator_cannot_merge_their_own_record(client, sign_in, coordinator, visit_here, patron):
    sign_in(client, coordinator)
    client.post(PEOPLE, {"identifier": coordinator.email})
    client.post(record(coordinator), {"reason": "Mine"})
    for person, other in ((patron, coordinator), (coordinator, patron)):
        client.post(reverse("desk_merge_records", args=[person.public_id]), {"with": other.public_id})
    assert "Merge with another record" not in client.get(record(coordinator)).content.decode()
    assert client.get(reverse("desk_merge_records", args=[coordinator.public_id])).status_code == 404
    assert HelpSession.objects.get(pk=visit_here.pk).patron == patron
    assert User.objects.filter(pk=patron.pk).exists()


def test_adding_a_patron_with_a_known_email_address_is_logged_as_a_lookup(desk, stranger):
    desk.post(reverse("add_patron"), {"name": "Zoe", "email": "Zoe@example.org", "language": "en"})
    assert log_entries(stranger) == [("looked_up", "user", str(stranger.public_id), "people")]
