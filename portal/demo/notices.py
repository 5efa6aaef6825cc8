"""Add what the demo's people chose about notices, and what happened to their addresses and devices."""

import datetime

from allauth.usersessions.models import UserSession
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY

from accounts.models import KeptDevice
from accounts.sessions import SessionStore
from accounts.sign_in.sign_ins import LAST_USED_ON, device
from portal.checkins import consent
from portal.incoming import readers
from portal.notifications import bounces, choices
from portal.notifications.kinds import CHOICES
from portal.notifications.models import Notification
from portal.notifications.push import keys
from portal.notifications.push.subscriptions import AUTH_BYTES, subscribe

# This patron gets at most one email an hour. The worker combines the notices about the answers in two
# conversations.
GETS_A_DIGEST = "marcus"
GETS_NO_EMAILS = "bradley"  # Two emails to the address of this patron could not be delivered.
HAS_DIED = "peg"
HAS_A_PHONE = "fern"
MAY_READ_UNMATCHED_EMAILS = "anneke"

ANSWER, NEW, PROMISE = "conversations/answer", "conversations/new", "conversations/promise_due"
# Each entry is (person, choices, times). The choices are {(kind of notice, branch or None): key in CHOICES}.
# The times are fields of NoticeTimes.
CHOSEN = [
    (GETS_A_DIGEST, {(ANSWER, None): "hourly"}, {}),
    (
        "constance",
        {(ANSWER, None): "daily"},
        {"daily_at": datetime.time(18), "time_zone": "Europe/Lisbon"},
    ),
    ("kofi", {(ANSWER, None): "none"}, {}),
    (
        "priya",
        {(NEW, None): "daily", (NEW, "northfield"): "none", (PROMISE, None): "at_once"},
        {"quiet_from": datetime.time(21), "quiet_until": datetime.time(8)},
    ),
    ("rosa", {}, {"when_closed": True}),
]
FIREFOX_ON_ANDROID = "Mozilla/5.0 (Android 16; Mobile; rv:145.0) Gecko/145.0 Firefox/145.0"
# No message is ever sent to this endpoint, because its patron gets notices by email.
ENDPOINT = "https://updates.push.services.mozilla.com/wpush/v2/demo"


def add(builder):
    """Add people's choices about notices, and what happened to their addresses and devices.

    Call this after the demo's emails were marked as delivered.
    """
    _choose(builder)
    _return_emails(builder.people[GETS_NO_EMAILS])
    at, rosa = builder.now, builder.people["rosa"]
    day = datetime.timedelta(days=1)
    consent.note_death(builder.people[HAS_DIED], by=builder.people["anneke"], at=at - 2 * day)
    readers.add_reader(person=builder.people[MAY_READ_UNMATCHED_EMAILS], by=rosa, at=at - 30 * day)
    _add_phone(builder.people[HAS_A_PHONE], at=at)


def _choose(builder):
    for key, chosen, times in CHOSEN:
        branches = {branch: row.pk for branch, row in builder.branches.items()} | {None: None}
        kinds = {(kind, branches[branch]): CHOICES[choice] for (kind, branch), choice in chosen.items()}
        choices.choose(builder.people[key], kinds, times)


def _return_emails(patron):
    """Count a hard failure for each email to this patron. The second failure stops notices to the address."""
    for email in Notification.objects.filter(recipient=patron).order_by("created_at"):
        at = email.created_at + datetime.timedelta(minutes=1)
        bounces.note_report(bounces.envelope_for(email), status="5.1.1", at=at)


def _add_phone(patron, *, at):
    """Sign the patron in with a phone that keeps their pages and gets messages from the library."""
    since = at - datetime.timedelta(days=9)
    session = SessionStore()
    # Without these values in its session, the phone would be signed out at the patron's next sign-in.
    session[SESSION_KEY], session[BACKEND_SESSION_KEY] = str(patron.pk), settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = patron.get_session_auth_hash()
    session[LAST_USED_ON] = at.date().isoformat()
    session.save()
    sign_in = UserSession.objects.create(
        user=patron,
        created_at=since,
        last_seen_at=at,
        ip="203.0.113.20",
        session_key=session.session_key,
        user_agent=FIREFOX_ON_ANDROID,
    )
    KeptDevice.objects.create(sign_in=sign_in, added_at=since, reached_at=at)
    if keys.is_set_up():
        key = ec.generate_private_key(ec.SECP256R1()).public_key()
        subscribe(
            endpoint=ENDPOINT,
            p256dh=keys.encode(key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)),
            auth=keys.encode(bytes(AUTH_BYTES)),
            language=patron.language,
            device=device(FIREFOX_ON_ANDROID),
            at=since,
            person=patron,
            sign_in=sign_in,
        )
