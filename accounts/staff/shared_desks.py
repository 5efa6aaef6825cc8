"""Computers at a service point that are unlocked for the day. What their lock does to a request: accounts/staff/desk_lock.py."""

import datetime
import hashlib
import secrets

from django.db import transaction
from django.db.models import CharField, DateTimeField

from accounts.staff_actions import staff_action
from portal.prepared import prepared

from .. import audit
from ..models import Library, SharedDesk

LASTS = datetime.timedelta(
    hours=16
)  # at most: whoever unlocks it at seven in the morning has it until eleven at night


@staff_action
def unlock(*, branch, name, by, at):
    """Unlock a computer of `branch` until the library's day is over. Returns the desk and the token by which its browser will know itself."""
    token = secrets.token_urlsafe(32)
    library = Library.current()
    midnight = datetime.datetime.combine(
        library.today(at) + datetime.timedelta(days=1), datetime.time(), library.zone
    )
    until = min(midnight.astimezone(datetime.UTC), at + LASTS)
    desk = SharedDesk.objects.create(
        branch=branch, name=name, token_hash=_hash(token), unlocked_by=by, unlocked_at=at, until=until
    )
    audit.record("unlocked_shared_desk", desk, by=by, at=at)
    return desk, token


@transaction.atomic
def close(desk, *, by, at):
    """It is a shared desk no longer: whoever is at it is out with the next request, and no PIN opens it."""
    if SharedDesk.objects.filter(pk=desk.pk, closed_at=None).update(closed_at=at):
        audit.record("closed_shared_desk", desk, by=by, at=at)


def desk_with(token, *, at):
    """The unlocked desk whose browser has this token, or None."""
    return next(iter(_unlocked(token_hash=_hash(token), at=at)), None)


@prepared(token_hash=CharField(), at=DateTimeField())
def _unlocked(token_hash, at):
    return SharedDesk.objects.unlocked(at).filter(token_hash=token_hash).select_related("branch")


def forget_shared_desks(*, at):
    """For the worker: those whose day is over."""
    SharedDesk.objects.exclude(pk__in=SharedDesk.objects.unlocked(at)).delete()


def _hash(token):
    """A fingerprint is enough for what nobody can guess."""
    return hashlib.sha256(token.encode()).hexdigest()
