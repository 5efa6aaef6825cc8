"""Unlock, close and find shared desk computers.

accounts/staff/desk_lock.py checks at each request whether the computer is locked.
"""

import datetime
import hashlib
import secrets

from django.db import transaction
from django.db.models import CharField, DateTimeField

from accounts.staff_actions import staff_action
from portal.prepared import prepared

from .. import audit
from ..models import Library, SharedDesk

# How long a computer can stay unlocked. This is long enough for a day from 7 a.m. to 11 p.m.
LASTS = datetime.timedelta(hours=16)


@staff_action
def unlock(*, branch, name, by, at):
    """Unlock a computer of `branch` until midnight, but for no longer than LASTS.

    Return the SharedDesk, and the token for the cookie of its browser.
    """
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
    """Close the computer, so that PINs no longer work on it. A person who is signed in is signed out."""
    if SharedDesk.objects.filter(pk=desk.pk, closed_at=None).update(closed_at=at):
        audit.record("closed_shared_desk", desk, by=by, at=at)


def desk_with(token, *, at):
    """Return the unlocked computer whose browser has this token, or None."""
    return next(iter(_unlocked(token_hash=_hash(token), at=at)), None)


@prepared(token_hash=CharField(), at=DateTimeField())
def _unlocked(token_hash, at):
    return SharedDesk.objects.unlocked(at).filter(token_hash=token_hash).select_related("branch")


def forget_shared_desks(*, at):
    """Delete the computers that are no longer unlocked. The worker calls this function."""
    SharedDesk.objects.exclude(pk__in=SharedDesk.objects.unlocked(at)).delete()


def _hash(token):
    """Return the SHA-256 of a token. The hash needs no salt, because the token is random."""
    return hashlib.sha256(token.encode()).hexdigest()
