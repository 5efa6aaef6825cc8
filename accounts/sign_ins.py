"""Where a person is signed in, in words they can tell their devices by."""

from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.utils import timezone
from django.utils.translation import gettext as _

# The first that the browser names itself by: each of them also claims to be some of those below it.
BROWSERS = [("Edg", "Edge"), ("OPR", "Opera"), ("SamsungBrowser", "Samsung Internet"), ("Firefox", "Firefox"), ("FxiOS", "Firefox"), ("CriOS", "Chrome")]
BROWSERS += [("Chrome", "Chrome"), ("Safari", "Safari")]
SYSTEMS = [("iPhone", "iPhone"), ("iPad", "iPad"), ("Android", "Android"), ("CrOS", "Chromebook"), ("Windows", "Windows"), ("Macintosh", "Mac")]
SYSTEMS += [("Linux", "Linux")]


def elsewhere(person, *, but):
    """The person's other sign-ins that still hold, latest first; `but` is the session key of the one they are in now."""
    lasting = Session.objects.filter(expire_date__gt=timezone.now()).values("session_key")
    found = list(UserSession.objects.filter(user=person, session_key__in=lasting).exclude(session_key=but).order_by("-created_at", "-pk"))
    for signed_in in found:
        signed_in.device = device(signed_in.user_agent)
    return found


def device(user_agent):
    """“Firefox on Android”, as far as the browser tells."""
    browser, system = (next((name for sign, name in known if sign in user_agent), "") for known in (BROWSERS, SYSTEMS))
    if browser and system:
        return _("%(browser)s on %(system)s") % {"browser": browser, "system": system}
    return browser or system or _("a browser that does not say its name")
