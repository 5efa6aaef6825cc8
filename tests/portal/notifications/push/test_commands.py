"""Test push_keys, which makes a key for push messages, and push_check, which sends test messages."""

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from portal.notifications.models import PushSubscription
from portal.notifications.push.keys import application_key
from tests.factories import PushSubscriptionFactory, UserFactory
from tests.portal.test_settings import errors_of

pytestmark = pytest.mark.django_db


def output_of(*arguments):
    out, err = StringIO(), StringIO()
    call_command(*arguments, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def test_push_keys_prints_lines_that_the_portal_accepts_as_settings(settings):
    settings.PUSH_PRIVATE_KEY = ""
    settings.DEFAULT_FROM_EMAIL = "Example Library <help@library.example>"
    lines, warning = output_of("push_keys")
    variables = dict(line.partition("=")[::2] for line in lines.splitlines())
    assert sorted(variables) == ["PUSH_PRIVATE_KEY", "PUSH_SUBJECT"]
    assert (variables["PUSH_SUBJECT"], warning) == ("mailto:help@library.example", "")
    assert errors_of(AFTERWORD_MODE="test", **variables) == []
    settings.DEFAULT_FROM_EMAIL = "library@localhost"
    assert [line.partition("=")[0] for line in output_of("push_keys")[0].splitlines()] == ["PUSH_PRIVATE_KEY"]
    settings.PUSH_PRIVATE_KEY = variables["PUSH_PRIVATE_KEY"]
    assert len(application_key()) == 87
    assert "The portal has a key already." in output_of("push_keys")[1]


def test_push_check_sends_a_message_to_each_device_of_the_person(service, library):
    person, devices = UserFactory(), [service.device("ok/1"), service.device("ok/2")]
    for device in devices:
        PushSubscriptionFactory(person=person, device_keys=device)
    PushSubscriptionFactory(device_keys=service.device("ok/3"))
    lines, _errors = output_of("push_check", person.email.upper())
    assert lines.count("ok    Firefox on Android at 127.0.0.1: the push service accepted a message.") == 2
    assert sorted(message.path for message in service.received) == ["/ok/1", "/ok/2"]
    by_path = {f"/ok/{number}": device for number, device in enumerate(devices, 1)}
    for message in service.received:
        assert json.loads(by_path[message.path].decrypt(message.body))["title"] == library.name


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("410", "was deleted"),
        ("403", "Correct PUSH_SUBJECT"),
        ("503", "is busy"),
        ("close", "Look for a firewall"),
    ],
)
def test_push_check_explains_why_the_push_service_did_not_accept_the_message(service, library, path, words):
    row = PushSubscriptionFactory(device_keys=service.device(path))
    with pytest.raises(CommandError, match=words) as raised:
        output_of("push_check", row.person.email)
    assert row.endpoint not in str(raised.value)
    assert PushSubscription.objects.exists() is (path != "410")


def test_push_check_explains_what_is_missing(settings, library):
    person = UserFactory()
    with pytest.raises(CommandError, match="no device"):
        output_of("push_check", person.email)
    with pytest.raises(CommandError, match="Nobody here"):
        output_of("push_check", "x@example.org")
    settings.PUSH_PRIVATE_KEY = ""
    with pytest.raises(CommandError, match="push_keys"):
        output_of("push_check", person.email)
