"""List the devices where a person is signed in, and end sign-ins."""

from collections import Counter
from datetime import date

from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.db import transaction
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext as _

from ..sessions import SessionStore, browser_given_up

# request.session[SHARED_DESK] is the primary key of the shared desk computer.
SHARED_DESK = "shared_desk"
# request.session[LAST_USED_ON] is the day of the last use. DeviceMiddleware writes this day.
LAST_USED_ON = "last_used_on"

# The order matters, because a browser's user agent can also name browsers that come later in this list.
BROWSERS = [
    ("Edg", "Edge"),
    ("OPR", "Opera"),
    ("SamsungBrowser", "Samsung Internet"),
    ("Firefox", "Firefox"),
    ("FxiOS", "Firefox"),
    ("CriOS", "Chrome"),
    ("Chrome", "Chrome"),
    ("Safari", "Safari"),
]
SYSTEMS = [
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("CrOS", "Chromebook"),
    ("Windows", "Windows"),
    ("Macintosh", "Mac"),
    ("Linux", "Linux"),
]


def devices(person, *, here):
    """Return the person's current sign-ins as a list of UserSessions.

    The current device comes first, and the other devices are sorted by last use, newest first. `here` is the
    key of the current browser session.

    The function adds attributes to each UserSession. `device` is a name for the device. `is_shared` says
    whether the device is a shared desk computer. `is_here` says whether it is the current device.
    `last_used_on` is a date. `began` is the day of the sign-in, or its time if another sign-in has the same
    day and the same device name. `mark` identifies the UserSession in forms. `keeps` is the KeptDevice, or
    None if the device keeps no pages.
    """
    rows = UserSession.objects.filter(user=person).select_related("kept_device")
    signed_in = list(rows.order_by("-created_at", "-pk"))
    keys = [sign_in.session_key for sign_in in signed_in]
    live = Session.objects.filter(session_key__in=keys, expire_date__gt=timezone.now())
    data = {session.session_key: session.get_decoded() for session in live}
    signed_in = [sign_in for sign_in in signed_in if sign_in.session_key in data]
    for sign_in in signed_in:
        sign_in.device, sign_in.began = device(sign_in.user_agent), timezone.localdate(sign_in.created_at)
    alike = Counter((sign_in.device, sign_in.began) for sign_in in signed_in)
    for sign_in in signed_in:
        last_used = data[sign_in.session_key].get(LAST_USED_ON)
        sign_in.is_shared = SHARED_DESK in data[sign_in.session_key]
        sign_in.last_used_on = date.fromisoformat(last_used) if last_used else sign_in.began
        sign_in.is_here = sign_in.session_key == here
        sign_in.keeps = getattr(sign_in, "kept_device", None)
        if alike[sign_in.device, sign_in.began] > 1:
            sign_in.began = sign_in.created_at
        mark = salted_hmac("accounts.sign_ins", sign_in.session_key, algorithm="sha256")
        sign_in.mark = mark.hexdigest()[:32]
    return sorted(signed_in, key=lambda sign_in: (not sign_in.is_here, -sign_in.last_used_on.toordinal()))


def device(user_agent):
    """Return a name for the device, such as "Firefox on Android".

    The name may lack the browser or the system, if the user agent names only one of them.
    """
    browser = next((name for sign, name in BROWSERS if sign in user_agent), "")
    system = next((name for sign, name in SYSTEMS if sign in user_agent), "")
    if browser and system:
        return _("%(browser)s on %(system)s") % {"browser": browser, "system": system}
    return browser or system or _("an unknown browser")


@transaction.atomic
def end_sign_in(session_key):
    """Remove this session from the person's list of sign-ins. The caller also has to flush the session."""
    sign_ins = UserSession.objects.filter(session_key=session_key)
    _lock(sign_ins)
    sign_ins.delete()


@transaction.atomic
def end_sign_in_elsewhere(signed_in):
    """Sign the person out on another device. The device notices at its next request."""
    _lock(UserSession.objects.filter(pk=signed_in.pk))
    browser_given_up.send(sender=None, session=SessionStore(signed_in.session_key))
    signed_in.end()


def end_all_sign_ins(person, *, keep=""):
    """Sign the person out everywhere. If `keep` is the key of a session, that session stays signed in.

    Return the number of sign-ins that ended.
    """
    ending = UserSession.objects.filter(user=person).exclude(session_key=keep)
    for signed_in in ending:
        end_sign_in_elsewhere(signed_in)
    return len(ending)


def end_every_session():
    """Sign everybody out, and close the visits that were opened by code.

    Return the number of sessions that ended.
    """
    for session in Session.objects.iterator():
        browser_given_up.send(sender=None, session=session.get_decoded())
    with transaction.atomic():
        _lock(UserSession.objects.all())
        UserSession.objects.all().delete()
    return Session.objects.all().delete()[0]


def _lock(sign_ins):
    """Lock these sign-ins, so that no KeptDevice can be added while the sign-ins are deleted."""
    list(sign_ins.select_for_update().order_by("pk").values_list("pk"))
