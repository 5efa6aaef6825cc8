"""The notices that tell patrons about the next step for an item that they could not get."""

import re
from urllib.parse import urlsplit

from django.conf import settings
from django.urls import reverse

from accounts.sign_in.email_addresses import confirmed_addresses
from portal.helpsessions import push
from portal.notifications.models import Notification
from portal.notifications.push.subscriptions import has_browsers, who_has_devices
from portal.notifications.writing import notify
from recommendations.models import Recommendation

from . import step_history
from .desk_actions import UNDO_WITHIN
from .models import Event
from .opening import session_of

KIND = "conversations/next_step"
# Patrons get a notice about these events. There is no notice when a promised day passes: the page says so,
# and staff write to the patron.
ANNOUNCED = {Event.Kind.STEP_RECORDED, Event.Kind.STEP_ARRIVED, Event.Kind.STEP_TAKEN_BACK}


def announce(conversation, event, *, at):
    """Queue the notices about a next step to the patron, and to the adult of a shared visit.

    The notices are sent when staff can no longer undo the step. So patrons never get a notice about a step
    that is undone afterward. Nobody gets a notice about a quiet visit, or if the patron wants no answer. If
    the visit is in no account, the browsers that opened it by code get the notice.
    """
    session = conversation.help_session
    is_quiet = session is not None and session.quiet
    if event.kind not in ANNOUNCED or is_quiet or conversation.wants_no_answer:
        return
    item = event.recommendation.item
    context = {"branch": conversation.branch, "event": event, "kinds": Event.Kind}
    visit = session_of(event.recommendation)
    # The patron can't open the page of an item that staff have removed from the visit.
    context["is_removed"] = (
        not Recommendation.objects.filter(pk=event.recommendation_id).not_removed().exists()
    )
    path = visit.get_absolute_url() if context["is_removed"] else reverse("item", args=[item.public_id])
    context["url"] = settings.BASE_URL + path
    notice = {"at": at, "due_at": at + UNDO_WITHIN, "about": _about(event), "context": context}
    notice["url"] = context["url"]
    people = {conversation.patron, session and session.shared_with} - {None}
    for person, address in _addresses(people):
        own_id = _message_id(event, "" if person == conversation.patron else ".shared")
        notify(KIND, to=address, recipient=person, language=person.language, message_id=own_id, **notice)
    if session is not None and not people and has_browsers(push.about(session), at=at):
        own_id = _message_id(event)
        row = notify(KIND, to="", language=session.language, message_id=own_id, save=False, **notice)
        # A push message contains only the subject, so the text is not stored.
        row.browsers_about, row.text, row.html = push.about(session), "", ""
        row.save(force_insert=True)


def _addresses(people):
    """Return [(person, confirmed address)]. The address of a person who has only a device is ""."""
    addresses = confirmed_addresses(people)
    with_devices = who_has_devices([person for person in people if not person.email])
    return [
        (person, addresses.get(person.pk, ""))
        for person in sorted(people, key=lambda person: person.pk)
        if addresses.get(person.pk) or person.pk in with_devices
    ]


def _message_id(event, suffix=""):
    return f"<next-step-{event.pk}{suffix}@{urlsplit(settings.BASE_URL).hostname or 'localhost'}>"


def _about(event):
    return f"item:{event.recommendation.public_id}"


def current(rows, person, at):
    """Return {primary key: True} for the outbox rows whose text is still true.

    A text is no longer true if a later event about the item's next steps exists, or if the event was undone.
    A row is also left out if the person can't open the conversation anymore.

    The outbox calls this function through portal.notifications.facts.Sources. `person` is None for browsers
    that opened a visit by code.
    """
    keys = {_event_key(row): row.pk for row in rows}
    events = Event.objects.filter(pk__in=keys.keys() - {None})
    events = events.select_related("recommendation", "conversation__help_session")
    return {
        keys[event.pk]: True
        for event in events
        if _may_read(event.conversation, person) and step_history.last_event(event.recommendation) == event.pk
    }


def _event_key(row):
    """Return the primary key of the event that the notice is about, or None."""
    found = re.match(r"<next-step-([0-9]+)", row.message_id)
    return int(found[1]) if found else None


def _may_read(conversation, person):
    session = conversation.help_session
    readers = {conversation.patron_id, session.shared_with_id if session else None} - {None}
    if session is not None and session.quiet:
        return False
    return person.pk in readers if person else not readers


def delete(person, recommendations):
    """Delete the notices to this person about these recommendations, except those being sent now."""
    about = [f"item:{public_id}" for public_id in recommendations.values_list("public_id", flat=True)]
    Notification.objects.filter(kind=KIND, recipient=person, about__in=about, leased_until=None).delete()
