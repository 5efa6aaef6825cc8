"""The people desk: one patron is found whole or with a reason, nobody beside them; what is looked at is written down."""

import datetime

import pytest
from django.urls import reverse
from django.utils import timezone

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
    """A patron with whom this desk has nothing to do."""
    return UserFactory(name="Zoë Ångström", email="zoe@example.org")


@pytest.fixture
def near(branch, staff, patron):
    """Sam keeps a visit of this desk."""
    return HelpSessionFactory(branch=branch, staff=staff, patron=patron, question="Books about bees?")


def record(person):
    return reverse("patron_record", args=[person.public_id])


def looks(person):
    return list(
        AuditEvent.objects.filter(patron=person)
        .order_by("pk")
        .values_list("action", "subject_type", "subject", "where")
    )


def test_a_whole_address_finds_that_person_and_no_other(desk, near, patron):
    UserFactory(name="Sam Okafor", email="sam.okafor@example.org")
    answer = desk.post(PEOPLE, {"identifier": " SAM@example.org "})
    assert (answer.status_code, answer.url) == (302, record(patron))
    assert looks(patron) == [("looked_up", "user", str(patron.public_id), "people")]


def card(person, barcode, ils_id):
    return LibraryCard.objects.create(
        person=person, ils_id=ils_id, barcode=barcode, patron_group="Adult", seen_at=timezone.now()
    )


@pytest.mark.parametrize("typed", ["2 1234 0000 1234", "21234 00001234\n"])
def test_a_whole_card_number_finds_that_person_and_no_other(desk, near, patron, stranger, typed):
    card(patron, "21234" + "00001234", "7")
    card(stranger, "2123400001235", "8")
    assert desk.post(PEOPLE, {"identifier": typed}).url == record(patron)
    page = text(desk.get(record(patron)))
    for shown in ("…1234", "Adult"):
        assert shown in page


@pytest.mark.parametrize("typed", ["2123400001", "0001234", "21234000012345", "%", "2123400009999"])
def test_part_of_a_card_number_or_one_that_two_have_had_finds_nobody(desk, patron, stranger, typed):
    card(patron, "2123400001234", "7")
    for number, person in enumerate([patron, stranger]):
        card(person, "2123400009999", f"9{number}")
    answer = desk.post(PEOPLE, {"identifier": typed})
    assert answer.status_code == 422
    assert (looks(patron), looks(stranger)) == ([], [])


@pytest.mark.parametrize(
    "typed", ["sam@example.or", "sam", "@example.org", "", "%@example.org", "sam@example.org' OR 1=1"]
)
def test_part_of_an_address_finds_nobody(desk, near, patron, typed):
    answer = desk.post(PEOPLE, {"identifier": typed})
    assert answer.status_code == 422
    assert "Okafor" not in answer.content.decode()
    assert looks(patron) == []


def test_an_address_that_nobody_confirmed_is_nobodys(desk):
    person_with_address("typed@example.org", at=timezone.now())
    assert "We found nobody with this card number or address" in text(
        desk.post(PEOPLE, {"identifier": "typed@example.org"})
    )


@pytest.mark.parametrize("letters", ["zoe", "ang", "ÅNG", "zoë ångs", "Angstrom Zoe"])
def test_letters_and_a_reason_find_who_fits(desk, stranger, letters):
    UserFactory(name="Zora Neale")
    HelpSessionFactory(patron=stranger, branch=BranchFactory(name="Hill"))
    page = desk.post(BY_NAME, {"letters": letters, "reason": "On the phone, without a card"})
    assert page.status_code == 200
    words = text(page)
    for shown in ("Zoë Ångström", "z•••@example.org", "Hill"):
        assert shown in words
    for hidden in ("Zora", "zoe@example.org"):
        assert hidden not in words
    assert looks(stranger) == [("looked_up", "user", str(stranger.public_id), "people")]
    assert list(LookingReason.objects.values_list("reason", flat=True)) == ["On the phone, without a card"]


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
def test_without_three_letters_or_a_reason_nobody_is_shown(desk, stranger, typed):
    answer = desk.post(BY_NAME, typed)
    assert answer.status_code == 422
    assert "Ångström" not in answer.content.decode()
    assert looks(stranger) == []


def test_of_more_than_a_few_nobody_is_shown(desk, library):
    people = UserFactory.create_batch(find.MAX_LISTED + 1, name="Sam Smith")
    answer = desk.post(BY_NAME, {"letters": "smith", "reason": "Because"})
    assert answer.status_code == 422
    assert "More than 8 people match" in text(answer)
    assert "Sam Smith" not in answer.content.decode()
    assert [looks(person) for person in people] == [[]] * len(people)


def test_nobody_fits(desk, stranger):
    assert "No patron found" in text(desk.post(BY_NAME, {"letters": "qqq", "reason": "Because"}))


def test_a_record_of_this_desk_opens_and_says_who_looked(desk, near, patron):
    ConversationFactory(help_session=near, subject="Which bees?")
    page = text(desk.get(record(patron)))
    for shown in ("Sam Okafor", "sam@example.org", "Books about bees?", "Which bees?"):
        assert shown in page
    assert looks(patron) == [("opened", "user", str(patron.public_id), "people")]
    assert not LookingReason.objects.exists()


def test_a_conversation_leads_to_the_record(desk, near, patron):
    conversation = ConversationFactory(help_session=near)
    MessageFactory(conversation=conversation)
    assert record(patron) in desk.get(f"/desk/conversations/{conversation.public_id}/").content.decode()
    desk.get(
        record(patron), headers={"Referer": f"http://testserver/desk/conversations/{conversation.public_id}/"}
    )
    assert looks(patron)[-1] == ("opened", "user", str(patron.public_id), "conversation")


def test_whom_nobody_looked_up_has_no_record_here(desk, stranger):
    assert desk.get(record(stranger)).status_code == 404
    assert desk.post(record(stranger), {"reason": "Because"}).status_code == 404
    assert looks(stranger) == []


def test_whom_this_desk_has_nothing_to_do_with_opens_with_a_reason(desk, stranger):
    HelpSessionFactory(
        patron=stranger, branch=BranchFactory(name="Hill"), question="Elsewhere and mine alone"
    )
    desk.post(PEOPLE, {"identifier": "zoe@example.org"})
    asked = text(desk.get(record(stranger)))
    assert "Why are you opening this record?" in asked
    assert "At Hill" not in asked
    assert desk.post(record(stranger), {"reason": " "}).status_code == 422
    assert [action for action, *_ in looks(stranger)] == ["looked_up"]
    desk.post(record(stranger), {"reason": "They stand here"})
    page = text(desk.get(record(stranger)))
    assert "At Hill" in page
    assert "Elsewhere and mine alone" not in page
    assert [action for action, *_ in looks(stranger)] == ["looked_up", "said_why", "opened"]
    assert set(LookingReason.objects.values_list("reason", flat=True)) == {"They stand here"}


def test_why_somebody_looked_rests_in_no_session_and_is_gone_with_whom_it_is_about(desk, stranger):
    desk.post(BY_NAME, {"letters": "zoe", "reason": "Zqxreason on the phone"})
    assert "Zqxreason" not in str(dict(desk.session))
    assert "Patron details" in text(desk.get(record(stranger)))
    LookingReason.objects.all().delete()
    assert "Why are you opening this record?" in text(desk.get(record(stranger)))


def test_the_reason_of_a_search_opens_the_record_too(desk, stranger):
    desk.post(BY_NAME, {"letters": "zoe", "reason": "On the phone"})
    assert "Patron details" in text(desk.get(record(stranger)))
    assert list(LookingReason.objects.values_list("reason", "event__action").order_by("pk")) == [
        ("On the phone", "looked_up"),
        ("On the phone", "opened"),
    ]


def test_what_was_found_stays_open_until_the_day_ends(desk, stranger, library):
    desk.post(BY_NAME, {"letters": "zoe", "reason": "On the phone"})
    session = desk.session
    session[find.FOUND] = session[find.FOUND] | {"on": "2026-01-01"}
    session.save()
    assert desk.get(record(stranger)).status_code == 404


def test_what_a_colleague_found_is_not_open_to_others(client, desk, stranger, elsewhere, sign_in):
    desk.post(BY_NAME, {"letters": "zoe", "reason": "On the phone"})
    client.logout()
    assert sign_in(client, elsewhere).get(record(stranger)).status_code == 404


def test_nobody_walks_through_the_library(desk, library, stranger):
    answers = [desk.post(PEOPLE, {"identifier": f"nobody{number}@example.org"}) for number in range(61)]
    assert "tried too often" in text(answers[-1])
    assert "tried too often" not in text(answers[-2])
    assert "tried too often" in text(desk.post(PEOPLE, {"identifier": "zoe@example.org"}))
    assert looks(stranger) == []


def test_names_are_looked_up_seldom(desk, stranger):
    for _ in range(20):
        desk.post(BY_NAME, {"letters": "qqq", "reason": "Because"})
    answer = desk.post(BY_NAME, {"letters": "zoe", "reason": "Because"})
    assert answer.status_code == 429
    assert "tried too often" in text(answer)
    assert "Ångström" not in answer.content.decode()


@pytest.mark.parametrize("rows", [1, 20])
def test_a_record_costs_the_same_whatever_is_in_it(
    desk, branch, staff, patron, rows, django_assert_num_queries
):
    for _ in range(rows):
        ConversationFactory(help_session=HelpSessionFactory(branch=branch, staff=staff, patron=patron))
    with django_assert_num_queries(12):
        desk.get(record(patron))


def test_visits_and_conversations_page_apart(desk, branch, staff, patron):
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


# Added at the desk.


def test_somebody_is_added_with_a_name_alone(desk, staff):
    answer = desk.post(reverse("add_patron"), {"name": "Old Mr Pike", "email": "", "language": "es"})
    person = User.objects.get(name="Old Mr Pike")
    assert (answer.url, person.email, person.language, person.emailaddress_set.count()) == (
        record(person),
        None,
        "es",
        0,
    )
    assert looks(person) == [
        ("added_at_desk", "user", str(person.public_id), ""),
        ("said_why", "user", str(person.public_id), "people"),
    ]
    assert "Old Mr Pike" in text(desk.get(record(person)))


def test_an_address_that_the_desk_typed_proves_nothing_and_needs_one_code(client, desk, sign_in):
    desk.post(reverse("add_patron"), {"name": "Old Mr Pike", "email": "Pike@Example.org", "language": "en"})
    person = User.objects.get(email="pike@example.org")
    assert [(row.verified, row.primary) for row in person.emailaddress_set.all()] == [(False, True)]
    assert "not confirmed yet" in text(desk.get(record(person)))


def test_an_address_that_somebody_has_is_refused_and_nothing_changes(desk, patron):
    answer = desk.post(
        reverse("add_patron"), {"name": "Somebody", "email": "sam@example.org", "language": "en"}
    )
    assert answer.status_code == 422
    assert "Someone already has this address" in text(answer)
    patron.refresh_from_db()
    assert patron.name == "Sam Okafor"


def test_who_was_added_is_not_forgotten_with_unconfirmed_addresses(desk):
    desk.post(reverse("add_patron"), {"name": "Old Mr Pike", "email": "pike@example.org", "language": "en"})
    forget_unconfirmed_people(at=timezone.now() + datetime.timedelta(days=9))
    assert User.objects.filter(email="pike@example.org").exists()


# Kept for them.


@pytest.fixture
def visit(branch, staff):
    return HelpSessionFactory(branch=branch, staff=staff, question="Where are the tax forms?")


def keep(desk, person, visit):
    return desk.post(reverse("keep_for_patron", args=[person.public_id]), {"session": visit.public_id})


def test_a_visit_is_kept_for_them_in_the_words_that_were_read(desk, staff, near, patron, visit):
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


def test_a_quiet_visit_is_never_tied_to_a_name(desk, branch, staff, near, patron):
    quiet = QuietSessionFactory(branch=branch, staff=staff)
    assert "keep-for" not in desk.get(f"/desk/sessions/{quiet.public_id}/").content.decode()
    assert "violent" not in text(desk.get(record(patron), {"session": quiet.public_id}))
    keep(desk, patron, quiet)
    quiet.refresh_from_db()
    assert quiet.patron is None
    assert not Consent.objects.exists()


def test_what_somebody_keeps_already_stays_theirs(desk, branch, staff, near, patron):
    theirs = HelpSessionFactory(branch=branch, staff=staff, patron=UserFactory())
    assert "Someone already has this visit in their account" in text(desk.get(keep(desk, patron, theirs).url))
    assert HelpSession.objects.get(pk=theirs.pk).patron != patron


def test_only_a_visit_of_this_desk_for_somebody_whose_record_is_open(desk, near, patron, visit, stranger):
    elsewhere = HelpSessionFactory()
    assert keep(desk, patron, elsewhere).status_code == 404
    assert keep(desk, stranger, visit).status_code == 404
    desk.post(PEOPLE, {"identifier": "zoe@example.org"})
    assert keep(desk, stranger, visit).status_code == 404  # found, but no reason given yet
    assert HelpSession.objects.filter(pk__in=[elsewhere.pk, visit.pk], patron=None).count() == 2


# What stands out.


def test_a_coordinator_reads_who_looked_at_whom_and_why(
    client, desk, sign_in, coordinator, staff, stranger, near, patron
):
    desk.post(BY_NAME, {"letters": "zoe", "reason": "On the phone"})
    desk.get(record(stranger))
    desk.get(record(patron))  # with a visit: does not stand out
    assert desk.get(reverse("lookups_with_reason")).status_code == 404
    client.logout()
    page = sign_in(client, coordinator).get(reverse("lookups_with_reason"))
    assert [(look.event.by, look.event.patron, look.reason) for look in page.context["looks"]] == [
        (staff, stranger, "On the phone")
    ] * 2
    assert "Sam Okafor" not in text(page)


def test_the_list_is_filtered_by_staff_and_by_person(
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


def test_the_reason_ends_with_the_person_and_that_somebody_looked_does_not(staff, stranger):
    audit.record("opened", stranger, by=staff, patron=stranger, reason="They stand here")
    stranger.delete()
    assert not LookingReason.objects.exists()
    assert AuditEvent.objects.filter(action="opened", by=staff, patron=None).exists()


@pytest.mark.parametrize("rows", [1, 30])
def test_the_list_costs_the_same_whatever_its_length(
    client, sign_in, coordinator, staff, rows, django_assert_num_queries
):
    for number in range(rows):
        person = UserFactory(name=f"Person {number}")
        audit.record("opened", person, by=staff, patron=person, reason="Because")
    sign_in(client, coordinator)
    with django_assert_num_queries(6):
        client.get(reverse("lookups_with_reason"))


def test_the_list_pages_by_key_and_loses_nothing(client, sign_in, coordinator, staff, stranger):
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


@pytest.mark.parametrize("after", ["nonsense", "1.", "9" * 40 + ".1", "1.-1", "-99999999999999999999.1"])
def test_a_place_that_is_none_is_the_first_page(client, sign_in, coordinator, after):
    assert (
        sign_in(client, coordinator).get(reverse("lookups_with_reason"), {"after": after}).status_code == 200
    )


# Two records of one person.


@pytest.fixture
def twin(library):
    """Sam once more, written down at another desk."""
    return UserFactory(name="Sammy Okafor", email="sammy@example.org")


def test_a_coordinator_joins_two_records_and_thinks_better_of_it(
    client, sign_in, coordinator, near, patron, twin
):
    HelpSessionFactory(patron=twin, branch=BranchFactory(name="Hill"), question="At the other desk?")
    sign_in(client, coordinator)
    join = reverse("desk_merge_records", args=[patron.public_id])
    assert join in client.get(record(patron)).content.decode()
    assert "Look up the other record first" in text(client.get(join))
    client.post(BY_NAME, {"letters": "sammy", "reason": "They say they have two"})
    assert "Sammy Okafor" in text(client.get(join))
    preview = text(client.get(join, {"with": twin.public_id}))
    for shown in (
        "Sammy Okafor",
        "Sam Okafor",
        "s•••@example.org",
        "This record is merged into the other",
        "This record stays",
        "s•••@example.org will no longer work to sign in",
    ):
        assert shown in preview
    assert looks(twin)[-1][0] == "opened"
    answer = client.post(join, {"with": twin.public_id})
    assert answer.url == record(patron)
    assert HelpSession.objects.filter(patron=patron).count() == 2
    assert not User.objects.filter(pk=twin.pk).exists()
    page = client.get(record(patron))
    joined = page.context["joined"][0]
    client.post(reverse("desk_unmerge_records", args=[patron.public_id]), {"joined": joined.public_id})
    assert User.objects.get(pk=twin.pk).help_sessions.get().question == "At the other desk?"
    assert HelpSession.objects.filter(patron=patron).count() == 1


def test_staff_who_coordinate_nothing_join_nobody(desk, near, patron, twin):
    desk.post(BY_NAME, {"letters": "sammy", "reason": "They say they have two"})
    assert (
        desk.post(
            reverse("desk_merge_records", args=[patron.public_id]), {"with": twin.public_id}
        ).status_code
        == 404
    )
    assert "Merge with another record" not in text(desk.get(record(patron)))
    assert User.objects.filter(pk=twin.pk).exists()


def test_only_whom_the_coordinator_found_can_be_the_other(client, sign_in, coordinator, near, patron, twin):
    sign_in(client, coordinator).post(
        reverse("desk_merge_records", args=[patron.public_id]), {"with": twin.public_id}
    )
    assert User.objects.filter(pk=twin.pk).exists()


def test_who_works_at_a_desk_stays(client, sign_in, coordinator, staff, near, patron):
    sign_in(client, coordinator)
    client.post(PEOPLE, {"identifier": staff.email})
    client.post(record(staff), {"reason": "They say they have two"})
    client.post(reverse("desk_merge_records", args=[patron.public_id]), {"with": staff.public_id})
    assert User.objects.filter(pk=staff.pk).exists()
    assert near.__class__.objects.get(pk=near.pk).patron == staff


def test_a_joining_stands_in_the_access_log_of_both_also_without_its_preview(
    client, sign_in, coordinator, near, patron, twin
):
    sign_in(client, coordinator)
    client.post(BY_NAME, {"letters": "sammy", "reason": "They say they have two"})
    client.post(reverse("desk_merge_records", args=[patron.public_id]), {"with": twin.public_id})
    opened = AuditEvent.objects.filter(action="opened", by=coordinator)
    assert set(opened.values_list("subject", flat=True)) == {str(patron.public_id), str(twin.public_id)}
    assert "They say they have two" in opened.get(subject=str(twin.public_id)).looking.reason


def test_a_coordinator_joins_nobody_with_themselves(client, sign_in, coordinator, near, patron):
    sign_in(client, coordinator)
    client.post(PEOPLE, {"identifier": coordinator.email})
    client.post(record(coordinator), {"reason": "Mine"})
    for person, other in ((patron, coordinator), (coordinator, patron)):
        client.post(reverse("desk_merge_records", args=[person.public_id]), {"with": other.public_id})
    assert "Merge with another record" not in client.get(record(coordinator)).content.decode()
    assert client.get(reverse("desk_merge_records", args=[coordinator.public_id])).status_code == 404
    assert HelpSession.objects.get(pk=near.pk).patron == patron
    assert User.objects.filter(pk=patron.pk).exists()


def test_that_an_address_is_known_is_an_answer_and_is_written_down(desk, stranger):
    desk.post(reverse("add_patron"), {"name": "Zoe", "email": "Zoe@example.org", "language": "en"})
    assert looks(stranger) == [("looked_up", "user", str(stranger.public_id), "people")]
