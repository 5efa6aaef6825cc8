"""Where a person is signed in, in words they can tell their devices by."""

from datetime import date

from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext as _

SHARED_DESK = "shared_desk"  # in the session: the primary key of the shared desk computer
LAST_USED_ON = "last_used_on"  # in the session, where accounts.middleware writes it

# The first that the browser names itself by: each of them also claims to be some of those below it.
BROWSERS = [
    ("Edg", "Edge"),
    ("OPR", "Opera"),
    ("SamsungBrowser", "Samsung Internet"),
    ("Firefox", "Firefox"),
    ("FxiOS", "Firefox"),
    ("CriOS", "Chrome"),
]
BROWSERS += [("Chrome", "Chrome"), ("Safari", "Safari")]
SYSTEMS = [
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("CrOS", "Chromebook"),
    ("Windows", "Windows"),
    ("Macintosh", "Mac"),
]
SYSTEMS += [("Linux", "Linux")]


def devices(person, *, here):
    """Where the person is signed in and that still holds, this device (the session with the key `here`) first, then the latest. Each has its `device`
    in words, whether it is a shared desk computer (`is_shared`), the day on which it was `last_used_on`, `is_here`,
    and a `mark` by which a form may name it."""
    found = list(UserSession.objects.filter(user=person).order_by("-created_at", "-pk"))
    lasting = Session.objects.filter(
        session_key__in=[signed_in.session_key for signed_in in found], expire_date__gt=timezone.now()
    )
    known = {session.session_key: session.get_decoded() for session in lasting}
    found = [signed_in for signed_in in found if signed_in.session_key in known]
    for signed_in in found:
        day = known[signed_in.session_key].get(LAST_USED_ON)
        signed_in.device = device(signed_in.user_agent)
        signed_in.is_shared = SHARED_DESK in known[signed_in.session_key]
        signed_in.last_used_on = date.fromisoformat(day) if day else timezone.localdate(signed_in.created_at)
        signed_in.is_here = signed_in.session_key == here
        signed_in.mark = salted_hmac(
            "accounts.sign_ins", signed_in.session_key, algorithm="sha256"
        ).hexdigest()[:32]
    return sorted(found, key=lambda signed_in: (not signed_in.is_here, -signed_in.last_used_on.toordinal()))


def device(user_agent):
    """“Firefox on Android”, as far as the browser tells."""
    browser, system = (
        next((name for sign, name in known if sign in user_agent), "") for known in (BROWSERS, SYSTEMS)
    )
    if browser and system:
        return _("%(browser)s on %(system)s") % {"browser": browser, "system": system}
    return browser or system or _("a browser that does not say its name")


def end_sign_in(session_key):
    """This device no longer stands in the list of the person's sign-ins. The session itself is flushed by the view."""
    UserSession.objects.filter(session_key=session_key).delete()


def end_sign_in_elsewhere(signed_in):
    """On another device of the person's: it is signed out with its next request."""
    signed_in.end()


def end_all_sign_ins(person, *, but=""):
    """Wherever this person is signed in, they are so no longer; except in the session with the key `but`. Returns how many ended."""
    ending = UserSession.objects.filter(user=person).exclude(session_key=but)
    for signed_in in ending:
        signed_in.end()
    return len(ending)


def end_every_session():
    """Nobody is signed in any more, and no code of a visit is open in any browser. Returns how many ended."""
    UserSession.objects.all().delete()
    return Session.objects.all().delete()[0]
