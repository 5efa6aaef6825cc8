"""Test that staff can record a patron's choice about check-ins, stop check-ins, and note a death."""

import re
from contextlib import suppress
from html import unescape

import pytest
from allauth.account.models import EmailAddress
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEvent, Consent, LibraryCard, User
from accounts.patron.check_ins import OnlyThePatron, choose, record_answer
from portal.checkins import recording
from portal.helpsessions.models import HelpSession
from portal.privacy.access_log_page import who_looked
from tests.factories import ChildFactory, HelpSessionFactory, UserFactory
from tests.portal.pages import text

RECORD, LOOK_UP = reverse("record"), reverse("record_recipient")
READ_ALOUD = [
    "May the library ask you later",
    "Add this visit to the patron's account",
    "A code for the patron's phone",
]
QUESTION = "May the library ask you later how things turned out?"
REFUSED = "This patron doesn't want check-ins. Only the patron can change this, under “Me”."

pytestmark = pytest.mark.django_db


@pytest.fixture
def library(library):
    library.check_ins = True
    library.save()
    return library


@pytest.fixture
def patron(patron, branch):
    HelpSessionFactory(branch=branch, patron=patron)
    return patron


def post(desk, name, person, **fields):
    return desk.post(reverse(name, args=[person.public_id]), fields, follow=True)


def record_page(desk, person):
    return shown(desk.get(reverse("patron_record", args=[person.public_id])))


def shown(page):
    return unescape(text(page))


def test_consent_question_for_reading_aloud_is_in_the_patrons_language(desk, staff, patron):
    patron.language = "es"
    patron.save()
    assert "¿Puede la biblioteca preguntarle después cómo le fue?" in record_page(desk, patron)
    page = post(desk, "record_check_ins", patron, check_ins="pages")
    assert "The patron's answer is recorded." in shown(page)
    patron.refresh_from_db()
    assert patron.check_ins == "pages"
    consent = Consent.objects.get()
    assert (consent.language, consent.read_by) == ("es", staff)
    assert consent.wording.startswith("¿Puede la biblioteca preguntarle después cómo le fue?")
    assert consent.wording.endswith("Solo en las páginas web de la biblioteca")


def test_patron_sees_in_the_access_log_who_recorded_the_consent(desk, staff, patron, library):
    post(desk, "record_check_ins", patron, check_ins="email")
    post(desk, "stop_check_ins", patron)
    post(desk, "note_death", patron)
    post(desk, "note_death", patron, undo="1")
    looks, _earliest = who_looked(patron, zone=library.zone)
    said = " ".join(look.sentence for look in looks)
    for part in (
        "recorded whether the library may ask you how things turned out",
        "recorded that the library must not ask you how things turned out",
        "noted that the person with this library account has died",
        "removed the note that the person with this library account has died",
    ):
        assert part in said


def test_staff_cannot_turn_check_ins_on_for_a_patron_who_stopped_check_ins(desk, patron, client, sign_in):
    post(desk, "record_check_ins", patron, check_ins="email")
    page = post(desk, "stop_check_ins", patron)
    assert "This patron doesn't want check-ins. Only the patron can change this, under “Me”." in shown(page)
    assert 'id="stop-check-ins"' not in page.content.decode()
    assert QUESTION not in shown(page)
    assert REFUSED in shown(post(desk, "record_check_ins", patron, check_ins="email"))
    patron.refresh_from_db()
    assert patron.check_ins == "none"
    sign_in(client, patron)
    client.post(reverse("check_ins"), {"check_ins": "email"})
    patron.refresh_from_db()
    assert patron.check_ins == "email"


@pytest.mark.parametrize("name", ["record_check_ins", "stop_check_ins", "note_death"])
def test_staff_cannot_record_a_consent_or_a_death_without_access_to_the_patrons_record(desk, library, name):
    stranger = UserFactory()
    assert post(desk, name, stranger, check_ins="email").status_code == 404
    stranger.refresh_from_db()
    assert (stranger.check_ins, stranger.died_at) == ("", None)


def test_staff_cannot_record_a_consent_while_check_ins_are_off(desk, patron, library):
    library.check_ins = False
    library.save()
    assert QUESTION not in record_page(desk, patron)
    assert post(desk, "record_check_ins", patron, check_ins="email").status_code == 404


def test_staff_ask_a_child_for_consent_only_if_the_library_emails_children(desk, branch, library):
    child = ChildFactory()
    HelpSessionFactory(branch=branch, patron=child)
    assert QUESTION not in record_page(desk, child)
    page = post(desk, "record_check_ins", child, check_ins="email")
    assert "The library can't ask this child by email. Nothing was changed." in shown(page)
    library.check_ins_of_children = True
    library.save()
    assert QUESTION in record_page(desk, child)


def test_staff_can_note_that_a_patron_has_died_and_undo_the_note(desk, patron, staff):
    page = post(desk, "note_death", patron)
    assert "This patron has died. The library sends them no notices." in shown(page)
    patron.refresh_from_db()
    assert patron.died_at
    page = post(desk, "note_death", patron, undo="1")
    assert "This patron has died." not in shown(page)
    patron.refresh_from_db()
    assert patron.died_at is None
    actions = AuditEvent.objects.filter(patron=patron, by=staff).values_list("action", flat=True)
    assert {"noted_death", "undid_death"} <= set(actions)


def test_consent_texts_are_hidden_for_a_patron_who_has_died(desk, branch, library):
    patron = UserFactory(email=None)
    visit = HelpSessionFactory(branch=branch, patron=patron)
    to_keep = HelpSessionFactory(branch=branch)
    address = f"{reverse('patron_record', args=[patron.public_id])}?session={to_keep.public_id}"
    shown_before = shown(desk.get(address))
    assert [words in shown_before for words in READ_ALOUD] == [True, True, True]
    post(desk, "note_death", patron)
    shown_now = shown(desk.get(address))
    assert [words in shown_now for words in READ_ALOUD] == [False, False, False]
    # The portal refuses the forms of a page that was opened before staff noted the death.
    assert post(desk, "record_check_ins", patron, check_ins="email").status_code == 404
    assert post(desk, "keep_for_patron", patron, session=to_keep.public_id).status_code == 404
    assert "This patron has died, so no code was made" in shown(post(desk, "make_account_code", patron))
    assert not Consent.objects.exists()
    assert HelpSession.objects.filter(patron=patron).get() == visit


@pytest.mark.parametrize(
    ("address", "missing"),
    [
        (None, "This patron's account has no email address. They can add one under “Me” after they sign in."),
        (
            "ana@example.org",
            "This patron hasn't confirmed their email address. They can confirm it under “Me”",
        ),
    ],
)
def test_patron_record_says_why_the_patron_cannot_get_check_ins_by_email(
    desk, branch, library, address, missing
):
    patron = UserFactory(email=address, last_login=timezone.now())
    HelpSessionFactory(branch=branch, patron=patron)
    if address:
        EmailAddress.objects.create(user=patron, email=address, primary=True)
    assert missing in record_page(desk, patron)
    post(desk, "record_check_ins", patron, check_ins="email")
    assert missing in record_page(desk, patron)
    post(desk, "record_check_ins", patron, check_ins="pages")
    assert missing not in record_page(desk, patron)


# Tests of the record form, where staff enter the patron.


@pytest.fixture
def named(patron):
    EmailAddress.objects.create(user=patron, email=patron.email, verified=True, primary=True)
    return patron


def look_up(desk, **fields):
    fields = {"for_whom": "sam@example.org"} | fields
    return desk.post(LOOK_UP, fields, headers={"HX-Request": "true"}).content.decode()


def agreed(desk, **fields):
    mark = re.search(r'name="shown" value="([^"]+)"', look_up(desk, **fields))[1]
    return {"for_whom": "sam@example.org", "agreed": "on", "shown": mark, **fields}


@pytest.mark.usefixtures("at_noon")
def test_consent_is_recorded_together_with_the_visit(desk, staff, named, typed):
    page = look_up(desk)
    assert QUESTION in page
    assert 'name="check_ins"' in page
    assert not re.search(r'value="(email|pages|none)"[^>]*checked', page)
    answer = desk.post(RECORD, typed(check_ins="email", **agreed(desk)))
    assert answer.status_code == 302, answer.context["form"].errors
    named.refresh_from_db()
    assert named.check_ins == "email"
    consent = Consent.objects.get(purpose="check_ins")
    assert (consent.read_by, consent.wording.splitlines()[0]) == (staff, QUESTION)
    assert QUESTION not in look_up(desk)


@pytest.mark.usefixtures("at_noon")
def test_visit_is_recorded_without_a_consent_if_staff_did_not_ask(desk, named, typed):
    desk.post(RECORD, typed(check_ins="", **agreed(desk)))
    named.refresh_from_db()
    assert (named.check_ins, Consent.objects.filter(purpose="check_ins").count()) == ("", 0)
    assert HelpSession.objects.filter(question="Books like Mockingbird?", patron=named).exists()


@pytest.mark.usefixtures("at_noon")
def test_record_form_does_not_turn_on_check_ins_that_the_patron_stopped(desk, named, typed):
    fields = agreed(desk)
    User.objects.filter(pk=named.pk).update(check_ins="none")
    # The patron has made a choice after the lookup, so the portal asks staff to look up the patron again.
    assert desk.post(RECORD, typed(check_ins="email", **fields)).status_code == 422
    desk.post(RECORD, typed(check_ins="email", **agreed(desk)))
    named.refresh_from_db()
    assert named.check_ins == "none"


def test_record_form_refuses_a_patron_who_has_died(desk, named, library):
    post(desk, "note_death", named)
    page = look_up(desk)
    assert "has died" in page
    assert QUESTION not in page


def test_record_form_says_that_a_patron_with_only_a_card_has_no_email_address(desk, library, monkeypatch):
    monkeypatch.setattr("portal.desk.recipients.library_ils", object)
    card = {"barcode": "21234000123456", "ils_id": "7", "seen_at": timezone.now()}
    LibraryCard.objects.create(person=UserFactory(email=None), **card)
    page = unescape(look_up(desk, for_whom=card["barcode"]))
    assert "This patron's account has no email address." in page


@pytest.mark.usefixtures("at_noon")
def test_record_form_does_not_replace_a_check_in_choice_that_the_patron_has_just_made(
    desk, named, typed, monkeypatch
):
    fields, record = agreed(desk), recording.record_and_keep

    def record_while_the_patron_chooses(**arguments):
        choose(named, "pages", wording="w", language="en", at=timezone.now())
        return record(**arguments)

    monkeypatch.setattr(recording, "record_and_keep", record_while_the_patron_chooses)
    desk.post(RECORD, typed(check_ins="email", **fields))
    named.refresh_from_db()
    assert named.check_ins == "pages"
    assert HelpSession.objects.filter(question="Books like Mockingbird?", patron=named).exists()


@pytest.mark.parametrize(("earlier", "saved"), [("", "email"), ("pages", "pages"), ("none", "none")])
def test_consent_that_staff_record_does_not_replace_an_earlier_choice_of_the_patron(
    staff, patron, earlier, saved
):
    User.objects.filter(pk=patron.pk).update(check_ins=earlier)
    with suppress(OnlyThePatron):
        record_answer(patron, "email", only_first=True, by=staff, at=timezone.now())
    patron.refresh_from_db()
    assert patron.check_ins == saved
