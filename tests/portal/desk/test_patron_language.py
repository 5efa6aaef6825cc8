"""Test that the record form uses the language of the patron in “For”, unless staff chose a language."""

import re

import pytest
from allauth.account.models import EmailAddress
from django.urls import reverse

from portal.checkins import drafting
from portal.helpsessions.models import HelpSession
from tests.factories import UserFactory

pytestmark = pytest.mark.usefixtures("at_noon")
RECORD, LOOK_UP = reverse("record"), reverse("record_recipient")
UNTOUCHED = {"language": "en", "default_language": "en"}


@pytest.fixture
def patron(patron):
    """Return Sam, who uses the portal in Spanish and has confirmed his email address."""
    patron.language = "es"
    patron.save()
    EmailAddress.objects.create(user=patron, email=patron.email, verified=True, primary=True)
    return patron


def look_up(desk, for_whom="sam@example.org", **fields):
    return desk.post(LOOK_UP, {"for_whom": for_whom, **fields}, headers={"HX-Request": "true"})


def default_in(page):
    """Return the default language in the hidden field of the page, or None if the field is empty."""
    field = re.search(r'<input[^>]*name="default_language"[^>]*>', page.content.decode())[0]
    found = re.search(r'value="([^"]*)"', field)
    return found and found[1]


def chosen_in(page):
    select = re.search(r'<select[^>]*name="language".*?</select>', page.content.decode(), re.DOTALL)[0]
    return re.search(r'value="(\w+)" selected', select)[1]


def test_new_record_form_uses_the_librarys_language(desk, library):
    page = desk.get(RECORD)
    assert (chosen_in(page), default_in(page)) == ("en", "en")


def test_default_language_is_the_language_of_a_known_patron(desk, patron):
    assert default_in(look_up(desk, **UNTOUCHED)) == "es"


def test_language_that_staff_chose_is_not_replaced(desk, patron):
    assert default_in(look_up(desk, language="fr", default_language="en")) is None
    assert default_in(look_up(desk, language="en", default_language="")) is None


@pytest.mark.few_cases
@pytest.mark.parametrize("for_whom", ["", "sam@example.or", "nobody@example.org", "Sam Okafor", "999"])
def test_default_language_is_the_librarys_if_no_patron_is_found(desk, patron, for_whom):
    assert default_in(look_up(desk, for_whom, language="es", default_language="es")) == "en"


def test_default_language_is_the_librarys_if_the_patron_has_no_language(desk, patron):
    type(patron).objects.filter(pk=patron.pk).update(language="")
    assert default_in(look_up(desk, **UNTOUCHED)) == "en"


def test_looking_up_an_unconfirmed_address_does_not_reveal_the_patrons_language(desk, patron):
    UserFactory(email="other@example.org", language="es")
    assert default_in(look_up(desk, "other@example.org", **UNTOUCHED)) == "en"


@pytest.mark.parametrize("problem", ["died", "limit"])
def test_record_form_that_refuses_the_patron_does_not_reveal_their_language(
    desk, patron, problem, monkeypatch
):
    if problem == "died":
        type(patron).objects.filter(pk=patron.pk).update(died_at=patron.joined_at)
    else:
        monkeypatch.setattr("portal.desk.recipients.limits.counted", lambda *args, **options: False)
    assert default_in(look_up(desk, **UNTOUCHED)) == "en"


def test_visit_and_check_in_are_in_the_patrons_language_without_javascript(desk, patron, typed):
    fields = typed(for_whom="sam@example.org", **UNTOUCHED)
    page = desk.post(RECORD, fields)
    assert page.status_code == 422
    assert (chosen_in(page), default_in(page)) == ("es", "es")
    beside_save = re.search(r'id="set-language">(.*?)</noscript>', page.content.decode(), re.DOTALL)
    assert "Language of the patron: español" in beside_save[1]

    mark = re.search(r'name="shown" value="([^"]+)"', page.content.decode())[1]
    desk.post(RECORD, fields | {"language": "es", "default_language": "es", "shown": mark, "agreed": "on"})
    visit = HelpSession.objects.recorded().get()
    assert (visit.patron, visit.language) == (patron, "es")
    assert drafting.language_of(visit) == "es"


def test_visit_is_recorded_in_the_language_that_staff_chose_after_finding_the_patron(desk, patron, typed):
    fields = typed(for_whom="sam@example.org", **UNTOUCHED)
    page = desk.post(RECORD, fields).content.decode()
    mark = re.search(r'name="shown" value="([^"]+)"', page)[1]
    answer = {"language": "en", "default_language": "es", "shown": mark}
    page = desk.post(RECORD, fields | answer)
    assert (chosen_in(page), default_in(page)) == ("en", None)
    desk.post(RECORD, fields | answer | {"agreed": "on"})
    assert HelpSession.objects.recorded().get().language == "en"


def test_unfinished_visit_remembers_whether_staff_chose_the_language(desk, patron, typed):
    for fields, default in [(UNTOUCHED, "en"), ({"language": "fr", "default_language": ""}, None)]:
        desk.post(RECORD, typed(action="later", **fields))
        draft = HelpSession.objects.unfinished().latest("pk")
        page = desk.get(reverse("finish_session", args=[draft.public_id]))
        assert (chosen_in(page), default_in(page)) == (fields["language"], default)
