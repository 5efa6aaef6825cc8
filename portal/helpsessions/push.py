"""Push messages for a browser that opened a visit by code, without an account."""

from django.db import transaction

from portal.deadlines import compares_deadlines
from portal.notifications.push.subscriptions import end_subscriptions, subscribe

from .models import ClaimCode, HelpSession

# The beginning of the key that identifies a visit in push subscriptions.
VISIT = "visit:"


class NotOffered(Exception):
    """This browser can't get messages about the visit.

    The visit is quiet or in somebody's account, or the code that the browser opened no longer works.
    """


def about(help_session):
    """Return the key that identifies this visit in push subscriptions."""
    return f"{VISIT}{help_session.public_id}"


@compares_deadlines
@transaction.atomic
def subscribe_by_code(help_session, *, opened_codes, at, now, **browser):
    """Save the push subscription of a browser that opened the visit by code. Return the PushSubscription.

    The subscription ends when the code ends. `opened_codes` has the primary keys of the ClaimCodes that this
    browser has opened. `browser` has the endpoint, p256dh, auth, language and device. Raises NotOffered, and
    everything that `subscribe` raises.
    """
    # Lock the visit. A concurrent request that keeps the visit or makes it quiet then waits for the lock, and
    # ends the new subscription.
    locked = HelpSession.objects.select_for_update(no_key=True, of=("self",))
    help_session = locked.filter(pk=help_session.pk).first()
    if help_session is None or not can_subscribe(help_session):
        raise NotOffered
    codes = ClaimCode.objects.live(now()).filter(pk__in=opened_codes, help_session=help_session)
    code = codes.order_by("-expires_at").first()
    if code is None:
        raise NotOffered
    return subscribe(about=about(help_session), ends_at=code.expires_at, at=at, **browser)


def can_subscribe(help_session):
    """Return whether a browser that opened this visit by code can get messages about it."""
    is_open = help_session.status == HelpSession.Status.RECORDED and not help_session.forgotten_on
    return is_open and not (help_session.quiet or help_session.is_on_paper_only or help_session.keepers)


def end_for_visits(*help_sessions):
    """End the push subscriptions of browsers that opened these visits by code.

    Call this when the code of a visit ends, and when a visit is kept, made quiet or deleted.
    """
    end_subscriptions(about=[about(help_session) for help_session in help_sessions])
