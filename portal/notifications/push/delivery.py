"""Make push messages from notices, and deliver the messages to devices.

The notice has the state PUSHING until a push service has accepted the message for one of the devices. The
notice is emailed only if no device can be reached.
"""

import logging
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, Q
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext as _

from accounts.models import Library
from portal import keys
from portal.text import clean

from ..kinds import KINDS
from ..models import Notification, PushMessage
from . import sending
from .keys import is_set_up
from .subscriptions import end_browser, living

log = logging.getLogger(__name__)

# A push service keeps a message this long for a device that is turned off. After that, the message would be
# out of date.
KEPT_FOR = timedelta(days=3)
# A push service keeps a test message only this long, because the person who sent it is waiting for it.
TEST_KEPT_FOR = timedelta(minutes=10)
# If a worker is killed while it sends a message, another worker may take the message after this time.
LEASE = timedelta(minutes=2)
# The times to wait after the first failure, the second failure and so on. If the last attempt fails too, the
# message is given up.
RETRY_AFTER = [
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=12),
]
# A push service may ask for a longer wait than RETRY_AFTER, up to this time.
MAX_WAIT = timedelta(hours=12)
MAX_BODY = 200
REFUSED = "The push services of the person's devices took no message."
State, Way = Notification.State, Notification.Way


def hand_over(notice, subscriptions, *, at):
    """Write a PushMessage for each of these devices, in the caller's transaction. The worker sends them.

    A message contains the subject of the notice's email, but not the text of the email.
    """
    ends_at = min([at + KEPT_FOR, *([notice.ends_at] if notice.ends_at else [])])
    payload = _payload(notice.subject, notice.url or settings.BASE_URL + reverse("home"))
    PushMessage.objects.bulk_create(
        PushMessage(
            notice=notice,
            subscription=subscription,
            # Notices about different things get different tags, so that they don't replace each other on the
            # device.
            payload=payload | {"tag": _tag(subscription, notice.kind, notice.about or notice.message_id)},
            created_at=at,
            due_at=at,
            ends_at=min(ends_at, subscription.ends_at or ends_at),
        )
        for subscription in subscriptions
    )
    notice.state, notice.way, notice.leased_until, notice.attempts = State.PUSHING, Way.PUSH, None, 0
    notice.save(update_fields=["state", "way", "leased_until", "attempts"])


def send_test_message(subscription, *, at):
    """Send a message to this device, so that the person can see whether messages arrive."""
    with translation.override(subscription.language):
        payload = _payload(_("Messages from the library arrive on this device."), "")
    PushMessage.objects.create(
        subscription=subscription,
        payload=payload | {"url": settings.BASE_URL + reverse("home"), "tag": _tag(subscription, "try", "")},
        created_at=at,
        due_at=at,
        ends_at=at + TEST_KEPT_FOR,
    )


def take_next(*, at, but_hosts=()):
    """Lease the message that has been due longest, and return it. Return None if no message is due.

    While the lease lasts, no other worker gets this message. Messages to the push services `but_hosts` are
    left out.
    """
    is_free = Q(leased_until=None) | Q(leased_until__lte=at)
    due = PushMessage.objects.filter(is_free, due_at__lte=at).exclude(subscription__host__in=but_hosts)
    for message in due.select_related("subscription__person", "notice").order_by("due_at", "pk")[:20]:
        unchanged = {name: getattr(message, name) for name in ("leased_until", "attempts", "due_at")}
        message.leased_until, message.attempts = at + LEASE, message.attempts + 1
        if PushMessage.objects.filter(pk=message.pk, **unchanged).update(
            leased_until=message.leased_until, attempts=message.attempts
        ):
            return message
    return None


def deliver(message, *, badge, at):
    """Send a message that this worker has taken, and save the outcome.

    `badge` is the number of unread answers. Return the host of the push service if it could not be reached,
    or None.
    """
    subscription = message.subscription
    # While the message waited, the person may have been signed out, or somebody else may have signed in on
    # the device.
    if message.ends_at <= at or not living(at).filter(pk=subscription.pk).exists():
        _leased(message).delete()
        return None
    try:
        sending.send(
            subscription,
            message.payload | {"badge": badge},
            topic=message.payload["tag"],
            seconds=(message.ends_at - at).total_seconds(),
        )
    except sending.Gone:
        end_browser(subscription)
    except sending.NotNow as error:
        log.warning("%s took no push message: %s", subscription.host, error)
        _try_later(message, error.wait, at=at)
        return subscription.host if error.is_unreachable else None
    except sending.Refused as error:
        log.error("%s refused a push message: %s", subscription.host, error)
        _leased(message).delete()
    except Exception:
        # A bug in one message must not stop the messages after it.
        log.exception("a push message could not be sent")
        _leased(message).delete()
    else:
        _mark_taken(message, at=at)
    return None


def postpone(message, *, until):
    """Make the message due again at the time `until`. This doesn't count as an attempt."""
    _leased(message).update(due_at=until, leased_until=None, attempts=message.attempts - 1)


def drop(message):
    """Delete all messages about a notice that no longer applies. `message` is one of them.

    Also delete the notice, unless a device has already received a message about it.
    """
    Notification.objects.filter(pk=message.notice_id, state=State.PUSHING).delete()
    PushMessage.objects.filter(notice=message.notice_id).delete()


def email_instead(*, at):
    """Put notices that could reach no device back into the outbox, so that they are sent by email.

    Also delete messages that are too old. The worker runs this job.

    If the person has no email address, the notice is deleted. A check-in is never emailed instead, because
    the person agreed only to push messages. If the person still has a device, the check-in is given up.
    Otherwise the notice is deleted, and the check-in is planned again.
    """
    messages = PushMessage.objects.all()
    # Don't delete a message that a worker is sending. Otherwise its notice could also be sent by email.
    too_old = messages.filter(Q(leased_until=None) | Q(leased_until__lte=at), ends_at__lte=at)
    (too_old if is_set_up() else messages).delete()
    left = PushMessage.objects.filter(notice=OuterRef("pk"))
    lost = Notification.objects.filter(~Exists(left), state=State.PUSHING)
    for pk in lost.order_by("pk").values_list("pk", flat=True)[:200]:
        with transaction.atomic():
            notice = lost.select_for_update(of=("self",)).select_related("recipient").filter(pk=pk).first()
            if notice is None:
                continue
            is_push_only = notice.kind in KINDS and KINDS[notice.kind].is_chosen_apart
            if is_push_only and devices_for(notice, at=at):
                # Don't try again: the push services have refused the message, and would refuse it a second
                # time.
                notice.state, notice.died_at, notice.last_error = State.DEAD, at, REFUSED
                notice.text = notice.html = notice.url = ""
                notice.save()
            elif notice.recipient and notice.recipient.email and not is_push_only:
                notice.state, notice.way, notice.due_at = State.WAITING, Way.EMAIL_INSTEAD, at
                notice.save(update_fields=["state", "way", "due_at"])
            else:
                log.warning("a notice reached no device, and there is no address for an email")
                notice.delete()


def correct_times_of_messages(*, at):
    """Make messages due now if their `due_at` was set while a clock was fast. The worker runs this job."""
    PushMessage.objects.filter(leased_until__gt=at + LEASE * 2).update(leased_until=None)
    PushMessage.objects.filter(due_at__gt=at + MAX_WAIT * 2).update(due_at=at)


def devices_for(notice, *, at):
    """Return the subscriptions that this notice is sent to."""
    if notice.browsers_about:
        return list(living(at).filter(about=notice.browsers_about, person=None).order_by("pk"))
    return list(living(at).filter(person=notice.recipient_id).order_by("pk"))


def _payload(body, url):
    return {
        "title": clean(Library.current().name, max_length=100),
        "body": clean(body, max_length=MAX_BODY),
        "url": url,
    }


def _tag(subscription, kind, about):
    """Return the tag of a message. A message replaces an earlier one with the same tag.

    The push service reads the tag. So the tag is different for each device, and doesn't show what the notice
    is about.
    """
    return keys.fingerprint("push tag", f"{subscription.public_id}:{kind}:{about}")[:32]


@transaction.atomic
def _mark_taken(message, *, at):
    """Delete the message that a push service has accepted, and mark its notice as delivered."""
    if message.notice_id:
        list(Notification.objects.select_for_update(of=("self",)).filter(pk=message.notice_id))
        Notification.objects.filter(pk=message.notice_id, state=State.PUSHING).update(
            state=State.DELIVERED,
            delivered_at=at,
            last_error="",
            # Only an email needs these fields, and this notice is no longer sent by email.
            text="",
            html="",
            url="",
            headers={},
        )
    _leased(message).delete()


def _try_later(message, wait, *, at):
    if message.attempts > len(RETRY_AFTER):
        _leased(message).delete()
        return
    pause = max(RETRY_AFTER[message.attempts - 1], min(wait or timedelta(0), MAX_WAIT))
    _leased(message).update(due_at=at + pause, leased_until=None)


def _leased(message):
    return PushMessage.objects.filter(pk=message.pk, leased_until=message.leased_until)
