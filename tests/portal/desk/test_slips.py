import datetime
import re

import pytest
import time_machine
from django.conf import settings
from django.test import Client
from django.utils import timezone

from accounts.models import AuditEvent
from portal.desk import slips
from portal.helpsessions import handover, keeping
from portal.helpsessions.models import ClaimCode, HelpSession
from portal.notifications.actions import mark_delivered, mark_failed, take_next
from portal.notifications.models import Notification
from tests.factories import (
    HelpSessionFactory,
    QuietSessionFactory,
    SessionNoteFactory,
    code_for,
    recommend_in,
)

pytestmark = pytest.mark.usefixtures("at_noon")


@pytest.fixture
def session(staff, branch):
    return HelpSessionFactory(staff=staff, branch=branch)


def shown(response):
    # The HTML of an address has a <wbr> wherever a line may end.
    return response.content.decode().replace("<wbr>", "")


def hand_over(browser, session, **fields):
    return browser.post(f"/desk/sessions/{session.public_id}/hand-over/", fields, follow=True)


def code_on(page):
    return re.sub(r"\D", "", re.search(r'class="code"[^>]*>([\d ]+)<', shown(page))[1])


def test_slip_shows_the_code_with_its_link_and_a_qr_code(desk, session):
    page = hand_over(desk, session)
    code = code_on(page)
    assert handover.open_by_code(code, at=timezone.now()).help_session == session
    assert f'value="{settings.BASE_URL}/c/{code}/" readonly' in shown(page)
    assert '<svg class="qr"' in shown(page)


def test_code_of_a_slip_is_not_stored_in_plain_text(desk, session):
    code = code_on(hand_over(desk, session))
    assert code not in str(dict(desk.session))
    assert not ClaimCode.objects.filter(hmac=code).exists()


def test_slip_offers_a_new_code_after_ten_minutes(desk, session):
    hand_over(desk, session)
    with time_machine.travel(timezone.now() + datetime.timedelta(seconds=slips.KEPT_SECONDS + 2), tick=False):
        page = shown(desk.get(f"/desk/sessions/{session.public_id}/slip/"))
        assert 'class="code"' not in page
        assert "Make a new code" in page
        assert 'class="code"' in shown(hand_over(desk, session))


def test_slip_in_another_browser_does_not_show_the_code(desk, session, client_of_rosa):
    hand_over(desk, session)
    assert 'class="code"' not in shown(client_of_rosa.get(f"/desk/sessions/{session.public_id}/slip/"))


@pytest.fixture
def client_of_rosa(staff, sign_in):
    return sign_in(Client(), staff)


@pytest.mark.parametrize("paper", ["receipt", "a4", "letter"])
def test_printed_slip_is_in_the_patrons_language_and_contains_no_staff_note(
    desk, staff, branch, item, paper, monkeypatch
):
    session = HelpSessionFactory(
        staff=staff, branch=branch, language="es", happened_on=datetime.date(2026, 3, 2), question=""
    )
    SessionNoteFactory(help_session=session, body="STAFF ONLY")
    recommend_in(session, item=item, reason="para practicar")
    hand_over(desk, session)
    page = shown(desk.get(f"/desk/sessions/{session.public_id}/slip/?paper={paper}"))
    article = re.search(
        rf'<article class="paper {paper}"\s+lang="es"\s+dir="ltr">.*</article>', page, re.DOTALL
    )[0]
    for words in ("lunes", "To Kill a Mockingbird", "FIC LEE", "para practicar", '<svg class="qr"'):
        assert words in article
    assert "STAFF ONLY" not in page


def test_printed_slip_is_in_the_library_language_if_the_visits_language_is_unavailable(desk, staff, branch):
    session = HelpSessionFactory(staff=staff, branch=branch, language="ar")
    hand_over(desk, session)
    page = shown(desk.get(f"/desk/sessions/{session.public_id}/slip/?paper=a4"))
    assert re.search(r'<article class="paper a4"\s+lang="en"\s+dir="ltr">', page)


def test_printed_slip_of_a_quiet_visit_shows_no_question_or_items(desk, staff, branch):
    session = QuietSessionFactory(staff=staff, branch=branch)
    given = recommend_in(session)[0]
    hand_over(desk, session)
    page = shown(desk.get(f"/desk/sessions/{session.public_id}/slip/?paper=receipt"))
    assert session.question not in page
    assert given.item.title not in page


def test_staff_can_email_the_link_of_a_visit_to_a_typed_address(desk, session):
    page = hand_over(desk, session, address="reader@example.org")
    assert "reader@example.org" in shown(page)
    assert Notification.objects.get().to_address == "reader@example.org"


@pytest.mark.parametrize("is_sent", [True, False])
def test_typed_email_address_is_deleted_after_the_email_is_delivered_or_has_failed(desk, session, is_sent):
    hand_over(desk, session, address="reader@example.org")
    at = timezone.now()
    email = take_next(at=at)
    if is_sent:
        mark_delivered(email, at=at)
    else:
        mark_failed(email, at=at, error="550 no such mailbox", permanent=True)
    assert "reader@example.org" not in str(list(Notification.objects.values()))


def title_of(page):
    return " ".join(re.search("<h1[^>]*>(.*?)</h1>", shown(page), re.DOTALL)[1].split())


def test_slip_page_shows_the_masked_address_and_the_time_of_the_emailed_link(desk, session):
    assert title_of(hand_over(desk, session)) == "Saved. Now give the visit to the patron."
    with time_machine.travel("2026-03-03T20:31:00Z", tick=False):
        hand_over(desk, session, address="reader@example.org")
        page = desk.get(f"/desk/sessions/{session.public_id}/slip/")
        assert title_of(page) == "Saved. We're sending the link to the patron."
        assert page.context["sent"] == {"to": "r•••@example.org", "at": timezone.now()}
        assert "r•••@example.org" in shown(page)
        assert "reader@example.org" not in shown(page) + str(dict(desk.session))
        # The page still offers the other ways to hand over the visit.
        for way in ("code", "link", "id_address", "new-code", "revoke"):
            assert f'id="{way}"' in shown(page)
        desk.post(f"/desk/sessions/{session.public_id}/revoke/")
        page = desk.get(f"/desk/sessions/{session.public_id}/slip/")
        assert (title_of(page), page.context["sent"]) == ("Saved", None)


@pytest.mark.parametrize(
    ("typed", "error"),
    [
        ("reader@", "Enter the full email address, such as ana@example.org."),
        ("", "Enter the patron's email address."),
    ],
)
def test_handing_over_a_visit_to_an_invalid_email_address_is_a_form_error(desk, session, typed, error):
    page = hand_over(desk, session, address=typed)
    assert page.status_code == 422
    assert page.context["form"]["address"].errors == [error]
    assert page.context["form"]["address"].value() == typed
    assert not ClaimCode.objects.exists()


def test_quiet_visit_cannot_be_emailed(desk, staff, branch):
    session = QuietSessionFactory(staff=staff, branch=branch)
    page = hand_over(desk, session, address="reader@example.org")
    assert not Notification.objects.exists()
    assert 'name="address"' not in shown(page)


def test_revoke_button_revokes_every_code_of_the_visit(desk, session):
    code = code_on(hand_over(desk, session))
    code_for(session)
    desk.post(f"/desk/sessions/{session.public_id}/revoke/")
    assert set(ClaimCode.objects.values_list("state", flat=True)) == {"revoked"}
    with pytest.raises(handover.CodeRevoked):
        handover.open_by_code(code, at=timezone.now())
    assert 'class="code"' not in shown(desk.get(f"/desk/sessions/{session.public_id}/slip/"))


@pytest.mark.parametrize(("card", "words"), [("12", "13 digits"), ("1" * 13, "No code card has this code")])
def test_invalid_code_card_number_is_a_form_error(desk, session, card, words):
    page = desk.post(f"/desk/sessions/{session.public_id}/card/", {"code": card})
    assert page.status_code == 422
    assert words in shown(page)


def test_code_card_of_another_visit_is_refused(desk, session, branch):
    card = code_for(HelpSessionFactory(branch=branch))
    assert "another help session" in shown(
        desk.post(f"/desk/sessions/{session.public_id}/card/", {"code": card})
    )


def test_code_card_can_be_attached_on_the_visit_page(desk, session):
    desk.post(f"/desk/sessions/{session.public_id}/card/", {"code": code_for(None)})
    assert session.claim_codes.get().state == ClaimCode.State.LIVE


def test_visit_in_a_patrons_account_gets_no_new_code(desk, session, patron):
    hand_over(desk, session)
    keeping.keep(session, by=patron, at=timezone.now(), wording="…", language="en")
    [card] = handover.print_code_cards(by=session.staff, at=timezone.now(), branch=session.branch, count=1)
    assert "The visit needs no code" in shown(desk.get(f"/desk/sessions/{session.public_id}/slip/"))
    assert "The visit needs no code" in shown(hand_over(desk, session, address="reader@example.org"))
    assert "The visit needs no code" in shown(
        desk.post(f"/desk/sessions/{session.public_id}/card/", {"code": card}, follow=True)
    )
    assert not session.claim_codes.filter(state="live").exists()
    with pytest.raises(handover.CodeCardNotReady):
        handover.open_by_code(card, at=timezone.now())


def test_access_log_records_that_staff_opened_the_slip_of_a_patrons_visit(desk, session, staff, patron):
    keeping.keep(session, by=patron, at=timezone.now(), wording="…", language="en")
    desk.get(f"/desk/sessions/{session.public_id}/slip/")
    assert (
        AuditEvent.objects.filter(
            action="opened", by=staff, patron=patron, subject=str(session.public_id)
        ).count()
        == 1
    )


@pytest.mark.parametrize("page", ["slip", "hand-over", "revoke", "card"])
def test_staff_of_another_branch_cannot_hand_over_a_visit(client, sign_in, elsewhere, session, page):
    sign_in(client, elsewhere)
    address = f"/desk/sessions/{session.public_id}/{page}/"
    assert (client.get if page == "slip" else client.post)(address).status_code == 404
    assert not ClaimCode.objects.exists()


def test_printed_code_card_opens_the_visit_to_which_staff_attached_the_card(desk, branch, session):
    page = desk.post("/desk/cards/", {"branch": branch.pk, "count": "12"}, follow=True)
    assert "12 code cards are ready" in shown(page)
    sheet = shown(desk.get("/desk/cards/?paper=a4"))
    codes = [re.sub(r"\D", "", code) for code in re.findall(r'class="code">([\d ]+)<', sheet)]
    assert (len(codes), len(set(codes)), sheet.count('<svg class="qr"')) == (12, 12, 12)
    handover.attach_code_card(session, code=codes[3], by=session.staff, at=timezone.now())
    assert handover.open_by_code(codes[3], at=timezone.now()).help_session == session


@pytest.mark.parametrize("count", ["0", "41", "many", ""])
def test_invalid_number_of_code_cards_is_refused(desk, branch, count):
    assert desk.post("/desk/cards/", {"branch": branch.pk, "count": count}).status_code == 422
    assert not ClaimCode.objects.exists()


def test_staff_can_print_code_cards_only_for_their_own_branches(desk, elsewhere):
    assert (
        desk.post("/desk/cards/", {"branch": elsewhere.desk_branch_ids[0], "count": "1"}).status_code == 422
    )


@pytest.mark.slow
def test_unfinished_visit_has_no_slip(desk, staff, branch):
    draft = HelpSessionFactory(staff=staff, branch=branch, status=HelpSession.Status.UNFINISHED)
    assert desk.get(f"/desk/sessions/{draft.public_id}/slip/").status_code == 404
