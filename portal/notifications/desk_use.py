"""Record when each staff member last used the desk, because nobody gets notices while using the desk."""

import time

from django.utils import timezone

from portal.prepared import update_rows

from .deciding import USE_STORED_EVERY
from .models import DeskUse

# Under this key, the session stores when the use of the desk was last saved, in seconds. So a request needs
# no query to find that out.
WRITTEN_AT = "desk_use_written_at"


class DeskUseMiddleware:
    """Record the use of the desk at most once per USE_STORED_EVERY for each sign-in.

    Requests by a script don't count, because an open page sends them even if nobody uses the computer.
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
            and abs(time.time() - request.session.get(WRITTEN_AT, 0)) >= USE_STORED_EVERY.total_seconds()
            and request.user.is_staff
        ):
            request.session[WRITTEN_AT] = time.time()
            now = timezone.now()
            if not update_rows(DeskUse, {"used_at": now}, person=request.user.pk):
                DeskUse.objects.bulk_create(
                    [DeskUse(person=request.user, used_at=now)], ignore_conflicts=True
                )
