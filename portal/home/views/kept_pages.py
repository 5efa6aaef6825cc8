"""Tell a device which pages it may keep for reading offline."""

from django.http import JsonResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from accounts.models import KeptDevice
from accounts.sign_in import kept_devices
from accounts.sign_in.access import leaves_session_alone
from portal.home.kept_pages import kept_pages


@leaves_session_alone
@require_safe
def list_kept_pages(request):
    """Return the pages that this browser may keep: {device, now, keeps_for, pages: [{path, version, ends}]}.

    All times are in milliseconds; `now` and `ends` count from 1970. If this browser may keep no pages, for
    example because the person has signed out, `device` is null. The browser then deletes all kept pages.
    """
    device, at = request.kept_device, timezone.now()
    if not device:
        return JsonResponse({"device": None, "pages": []})
    if request.method == "GET":
        kept_devices.note_reached(device, at=at)
    pages = kept_pages(request.user, request.library, at=at)
    return JsonResponse(
        {
            "device": str(device.public_id),
            "now": _milliseconds(at),
            "keeps_for": int(KeptDevice.KEPT_FOR.total_seconds() * 1000),
            "pages": [
                {
                    "path": page.path,
                    "version": page.version,
                    "ends": page.ends_at and _milliseconds(page.ends_at),
                }
                for page in pages
            ],
        }
    )


def _milliseconds(moment):
    return int(moment.timestamp() * 1000)
