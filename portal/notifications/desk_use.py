"""Record when staff last used the desk, so that they get no emails meanwhile."""

import time
from datetime import timedelta

from django.utils import timezone

from .models import DeskUse

# The session holds the time of the last write in seconds, so a request needs no query to find it.
WRITTEN_AT = "desk_use_written_at"
WRITE_INTERVAL = timedelta(minutes=5)


class DeskUseMiddleware:
    """Record the use of the desk at most once in WRITE_INTERVAL for each sign-in.

    Calls that scripts make by themselves don't count, because a page can stay open while nobody is there.
    """

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        return self.get_response(request)

    def process_view(self, request, view, args, kwargs):
        if (
            request.path_info.startswith("/desk/")
            and request.user.is_authenticated
            and not getattr(view, "background_request", False)
            and abs(time.time() - request.session.get(WRITTEN_AT, 0)) >= WRITE_INTERVAL.total_seconds()
            and request.user.is_staff
        ):
            request.session[WRITTEN_AT] = time.time()
            DeskUse.objects.bulk_create(
                [DeskUse(person=request.user, used_at=timezone.now())],
                update_conflicts=True,
                unique_fields=["person"],
                update_fields=["used_at"],
            )
