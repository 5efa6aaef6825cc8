"""Keep a person's pages on a device for reading offline, if the person chooses this. See decision 24.

The choice belongs to one sign-in. The choice ends if this sign-in expires, or if someone else signs in with
this browser. The person can also end the choice, or the whole sign-in, on this device or from another one.
`portal/home/kept_pages.py` lists the pages. The service worker stores these pages.
"""

from allauth.usersessions.models import UserSession
from django.db import transaction
from django.db.models import BigAutoField, UUIDField
from django.utils import timezone
from django.utils.functional import SimpleLazyObject

from portal.prepared import prepared
from portal.text import uuid_or_none
from portal.times import absolute_days

from ..models import KeptDevice
from ..staff.desk_lock import DESK_TOKEN
from .access import is_borrowed
from .sign_ins import SHARED_DESK

# request.session[KEPT_DEVICE] is the public id of this browser's KeptDevice. If the session has no such key,
# no query runs.
KEPT_DEVICE = "kept_device"
# The service worker sends this header when it fetches a page to keep it.
KEEPS_PAGE = "X-Keeps-Page"
# This header of a response names the KeptDevice of the browser. If the header is missing, the browser deletes
# its kept pages.
KEPT_FOR_DEVICE = "X-Kept-Device"


class CannotKeep(Exception):
    """The person can't keep pages in this browser."""


class KeptDeviceMiddleware:
    """Set request.kept_device to this browser's KeptDevice or None, and send its public id with each page.

    If the browser fetches a page only to keep the page, request.kept_at is the current time. Otherwise
    request.kept_at is None. Fetching a page only to keep it doesn't mark messages as read. A page that is
    kept leaves out the visits that were opened by code.
    """

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        request.kept_device = SimpleLazyObject(lambda: device_here(request))
        request.kept_at = timezone.now() if KEEPS_PAGE in request.headers else None
        if request.kept_at:
            with absolute_days():
                response = self.get_response(request)
        else:
            response = self.get_response(request)
        is_page = response.headers.get("Content-Type", "").startswith("text/html") and not request.htmx
        if is_page and request.kept_device:
            response.headers[KEPT_FOR_DEVICE] = str(request.kept_device.public_id)
        return response

    def process_view(self, request, view, args, kwargs):
        if request.kept_at:
            # The service worker fetches this page, so the request doesn't count as use of the device.
            request.leaves_session_alone = True


def device_here(request):
    """Return the KeptDevice of this browser, or None.

    Also return None if the browser has become a shared desk computer.
    """
    public_id = uuid_or_none(request.session.get(KEPT_DEVICE, ""))
    if not public_id or not may_keep(request):
        return None
    for device in _device(public_id=public_id, person=request.user.pk):
        if device.sign_in.session_key == request.session.session_key:
            return device
    return None


@prepared(public_id=UUIDField(), person=BigAutoField())
def _device(public_id, person):
    return KeptDevice.objects.filter(public_id=public_id, sign_in__user=person).select_related("sign_in")


def may_keep(request):
    """Return whether the person may keep pages in this browser.

    The person must be signed in. Nobody may keep pages on a borrowed device or on a shared desk computer,
    because the next person could read the pages.
    """
    is_shared = SHARED_DESK in request.session or DESK_TOKEN in request.COOKIES
    return request.user.is_authenticated and not is_borrowed(request) and not is_shared


@transaction.atomic
def keep_here(request, *, at):
    """Keep the person's pages in this browser. Raises CannotKeep."""
    if not may_keep(request):
        raise CannotKeep
    key = request.session.session_key
    sign_in = UserSession.objects.select_for_update().filter(user=request.user, session_key=key).first()
    if sign_in is None:
        raise CannotKeep
    device, _is_new = KeptDevice.objects.get_or_create(
        sign_in=sign_in, defaults={"added_at": at, "reached_at": at}
    )
    request.session[KEPT_DEVICE] = str(device.public_id)
    request.kept_device = device


def end_here(request):
    """Stop keeping pages in this browser. The browser deletes its kept pages when it gets the response."""
    if request.kept_device:
        end(request.kept_device)
        del request.session[KEPT_DEVICE]
        request.kept_device = None


def end(device):
    """Stop keeping pages on this device, which deletes its kept pages when it next connects."""
    KeptDevice.objects.filter(pk=device.pk).delete()


def note_reached(device, *, at):
    """Save the time when the device last asked which pages it may keep."""
    KeptDevice.objects.filter(pk=device.pk).update(reached_at=at)
