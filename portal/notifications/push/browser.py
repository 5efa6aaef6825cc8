"""Find, remember and end the push subscriptions of the browser that sends a request.

The session stores the public ids of the browser's subscriptions. So no query runs for a browser without
subscriptions.
"""

from allauth.usersessions.models import UserSession
from django.dispatch import receiver
from django.utils import timezone

from accounts.sessions import browser_given_up
from accounts.sign_in.access import is_borrowed
from accounts.sign_in.sign_ins import SHARED_DESK
from accounts.staff.desk_lock import DESK_TOKEN

from ..models import PushSubscription
from .keys import is_set_up
from .subscriptions import living

# request.session[PUSH] is {key of a visit, or "" for the person: public id of the subscription}.
PUSH = "push_subscriptions"


def offers_push(request):
    """Return whether this browser may get push messages.

    Push must be set up. Borrowed devices and shared desk computers never get messages. A locked shared desk
    computer is recognized by its cookie.
    """
    is_shared = SHARED_DESK in request.session or DESK_TOKEN in request.COOKIES
    return is_set_up() and not is_borrowed(request) and not is_shared


def sign_in_of(request):
    """Return the UserSession of the signed-in person, or None."""
    if not request.user.is_authenticated:
        return None
    return UserSession.objects.filter(user=request.user, session_key=request.session.session_key).first()


def remember(request, subscription):
    """Store in the session that this browser has the subscription."""
    request.session[PUSH] = {
        **request.session.get(PUSH, {}),
        subscription.about: str(subscription.public_id),
    }


def subscription_of(request, about=""):
    """Return this browser's PushSubscription, or None if it has none that can get messages.

    If `about` is given, return the subscription for this visit. Otherwise return the subscription of the
    signed-in person.
    """
    public_id = request.session.get(PUSH, {}).get(about)
    if not public_id:
        return None
    person = request.user if request.user.is_authenticated and not about else None
    return living(timezone.now()).filter(public_id=public_id, about=about, person=person).first()


def end_here(request, about):
    """End this browser's subscriptions for the visits with these keys."""
    known = request.session.get(PUSH, {})
    if ids := [known[key] for key in about if key in known]:
        PushSubscription.objects.filter(public_id__in=ids).delete()


@receiver(browser_given_up)
def _end_subscriptions(sender, session, **kwargs):
    """End a browser's subscriptions when somebody signs out, or when other people will use the browser."""
    if ids := list(session.get(PUSH, {}).values()):
        PushSubscription.objects.filter(public_id__in=ids).delete()
