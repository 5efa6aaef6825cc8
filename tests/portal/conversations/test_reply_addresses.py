"""Test the addresses that patrons send their answers to."""

from datetime import UTC, datetime, timedelta

import pytest
from django.core.validators import validate_email
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from portal import signed_addresses
from portal.conversations import desk_actions
from portal.conversations.reply_addresses import address_for, first_lines, read_address
from portal.privacy.merging import merge_people
from tests.factories import ConversationFactory, UserFactory

AT = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def reply_address(settings):
    settings.REPLY_ADDRESS = "reply@library.example"


@pytest.fixture
def conversation(patron, branch):
    return ConversationFactory(help_session=None, patron=patron, branch=branch)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "own", ["reply@library.example", "@reply.library.example", "library.answers.24.7@x.example"]
)
def test_reply_address_is_valid_and_recognized_in_upper_and_lower_case(own, settings, conversation, patron):
    settings.REPLY_ADDRESS = own
    address = address_for(conversation, patron, at=AT)
    validate_email(address)
    local, _at, domain = address.partition("@")
    assert (len(local) <= 64, address, domain) == (True, address.lower(), own.rpartition("@")[2])
    for text in (address, address.upper(), f" {address.title()} "):
        found = read_address(text, at=AT)
        assert (found.conversation, found.person, found.is_expired) == (conversation, patron, False)


@pytest.mark.django_db
def test_reply_address_reveals_nothing_about_the_person(conversation, patron):
    address = address_for(conversation, patron, at=AT)
    assert not any(text in address for text in (patron.email, str(patron.public_id), "sam", "okafor"))


@pytest.mark.django_db
def test_reply_address_expires_90_days_after_the_email(conversation, patron):
    address = address_for(conversation, patron, at=AT)
    expired = [read_address(address, at=AT + timedelta(days=days)).is_expired for days in (0, 90, 91, 400)]
    assert expired == [False, False, True, True]


@pytest.mark.django_db
def test_reply_address_works_while_the_old_secret_key_is_a_fallback(settings, conversation, patron):
    address = address_for(conversation, patron, at=AT)
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "another key " * 5, [settings.SECRET_KEY]
    assert read_address(address, at=AT).person == patron
    settings.SECRET_KEY_FALLBACKS = []
    assert read_address(address, at=AT) is None


@pytest.mark.django_db
def test_reply_address_of_an_erased_conversation_leads_to_no_conversation(conversation, patron, staff):
    address = address_for(conversation, patron, at=AT)
    desk_actions.erase(conversation, by=staff, at=AT)
    assert read_address(address, at=AT).conversation is None
    conversation.delete()
    assert read_address(address, at=AT).conversation is None


@pytest.mark.django_db
def test_reply_address_of_a_merged_record_belongs_to_the_remaining_record(conversation, patron):
    into, last = UserFactory(email=None), UserFactory(email=None)
    address = address_for(conversation, patron, at=AT)
    merge_people(patron, into, by=into, at=AT)
    assert read_address(address, at=AT).person == into
    merge_people(into, last, by=last, at=AT)
    assert read_address(address, at=AT).person == last
    last.delete()
    assert read_address(address, at=AT).person is None


@pytest.mark.django_db
def test_reply_addresses_are_neither_made_nor_recognized_if_reply_address_is_not_set(
    settings, conversation, patron
):
    address = address_for(conversation, patron, at=AT)
    settings.REPLY_ADDRESS = ""
    assert address_for(conversation, patron, at=AT) == ""
    assert read_address(address, at=AT) is None


@pytest.mark.django_db
@given(data=st.data())
@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_reply_address_with_one_changed_letter_is_not_recognized(data, conversation, patron):
    address = address_for(conversation, patron, at=AT)
    place = data.draw(st.integers(len("reply+"), address.index("@") - 1))
    letter = data.draw(st.sampled_from("abcdefghijklmnopqrstuvwxyz234567".replace(address[place], "")))
    assert read_address(address[:place] + letter + address[place + 1 :], at=AT) is None


@given(text=st.text())
def test_text_that_is_not_a_reply_address_causes_no_error(text):
    for address in (text, f"reply+{text}@library.example", f"{text}@library.example"):
        assert read_address(address, at=AT) is None
        assert signed_addresses.is_ours(address) in (True, False)


def test_portal_knows_the_first_lines_of_its_emails_in_every_language():
    assert first_lines() == [
        "Write your answer above this line.",
        "A message from your library. Open it to read more.",
        "Escriba su respuesta arriba de esta línea.",
        "Un mensaje de su biblioteca. Ábralo para leer más.",
    ]
