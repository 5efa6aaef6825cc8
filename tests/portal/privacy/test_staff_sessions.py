"""Test that erased people and visits leave nothing in the Django sessions of staff."""

from django.conf import settings
from django.contrib.sessions.models import Session
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from portal.desk import shown_today, slips
from portal.desk.people import find
from portal.privacy.erasure import erase
from tests.factories import ConversationFactory, HelpSessionFactory, UserFactory, code_for


def test_staff_session_contains_no_public_ids_of_an_erased_person(sign_in, library, branch, staff):
    """Let staff work with the patron's data at the desk, and then erase the patron.

    Staff find the patron, make an account code, print a slip, open a visit by code, and open a conversation.
    """
    patron = UserFactory(name="Zoë Ångström", email="")
    visit = HelpSessionFactory(branch=branch, staff=staff, patron=patron, kept_at=timezone.now())
    conversation = ConversationFactory(patron=patron, help_session=visit)
    slip = HelpSessionFactory(branch=branch, staff=staff)
    desk = sign_in(Client(), staff)

    desk.post(reverse("patrons_by_name"), {"letters": "zoe", "reason": "On the phone"})
    record = reverse("patron_record", args=[patron.public_id])
    desk.get(record)
    assert desk.post(reverse("make_account_code", args=[patron.public_id])).url == record
    desk.post(reverse("hand_over", args=[slip.public_id]))
    desk.post(reverse("open_by_patrons_code"), {"code": code_for(slip)})
    desk.get(f"/desk/conversations/{conversation.public_id}/")

    # Check first that the requests above have stored data in the session. An empty session would pass the
    # checks below without proving anything.
    stored = Session.objects.get(pk=desk.cookies[settings.SESSION_COOKIE_NAME].value).get_decoded()
    assert {find.FOUND, slips.SEALED, shown_today.SHOWN} <= set(stored)
    assert len(stored[slips.SEALED]) == 2
    erased = [patron.public_id, visit.public_id, conversation.public_id, slip.public_id]
    slip.delete()
    erase(patron, language="en", at=timezone.now())

    assert not User.objects.filter(pk=patron.pk).exists()
    left = str([session.get_decoded() for session in Session.objects.all()])
    assert [public_id for public_id in erased if str(public_id) in left or public_id.hex in left] == []
    assert "Ångström" not in left
