"""Help sessions that staff start now and finish later."""

import uuid

from django.db import IntegrityError, transaction
from django.db.models import BigAutoField, UUIDField

from accounts import audit
from accounts.models import Library
from accounts.staff_actions import staff_action
from portal.prepared import insert_if_new, prepared
from portal.text import clean

from .models import HelpSession, UnfinishedForm


@staff_action
def start_unfinished(*, by, at, branch, fields, token=None):
    """Start a session that staff will finish later, and return the session.

    `fields` are the fields of the form as they were typed. If the same `token` is sent twice, only one
    session is started.
    """
    help_session, _created = get_or_create_session(
        token, by=by, at=at, status=HelpSession.Status.UNFINISHED, branch=branch, **day_and_hour(at)
    )
    save_unfinished(help_session, fields=fields, at=at)
    return help_session


def get_or_create_session(token, *, by, at, **fields):
    """Lock the session with this token, or create a session with these fields. Return (session, created).

    The session may exist already, because another request may have sent the same form. `by` is None if
    another system records the session. Then there must be no token.
    """
    help_session = HelpSession(public_id=token or uuid.uuid4(), staff=by, created_at=at, **fields)
    if insert_if_new(help_session):
        return help_session, True
    known = by and _lock(token=token, staff=by.pk)
    if not known:
        raise IntegrityError("A session of another staff member has this token.")
    return known[0], False


@prepared(token=UUIDField(), staff=BigAutoField())
def _lock(token, staff):
    return HelpSession.objects.select_for_update().filter(public_id=token, staff=staff)


def day_and_hour(at):
    """Return a dict with "happened_on" and "hour", which are the day and hour in the library's time zone."""
    local = at.astimezone(Library.current().zone)
    return {"happened_on": local.date(), "hour": local.hour}


@transaction.atomic
def save_unfinished(help_session, *, fields, at):
    """Save the fields of the form as they were typed, even if they are invalid.

    Do nothing if the session is recorded already.
    """
    fields = {clean(name): clean(value, max_length=20_000, multiline=True) for name, value in fields.items()}
    help_session = HelpSession.objects.select_for_update().get(pk=help_session.pk)
    if help_session.status == HelpSession.Status.UNFINISHED:
        UnfinishedForm.objects.update_or_create(
            help_session=help_session, defaults={"fields": fields, "saved_at": at}
        )


@staff_action
def discard_unfinished(help_session, *, by, at):
    """Delete an unfinished session. If a code card was attached to the session, its code stops working."""
    help_session = (
        HelpSession.objects.select_for_update()
        .filter(pk=help_session.pk, status=HelpSession.Status.UNFINISHED)
        .first()
    )
    if help_session is not None:
        audit.record("discarded", help_session, by=by, at=at)
        help_session.delete()
