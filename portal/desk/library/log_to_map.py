"""Links back to the page where a coordinator says what the values of a desk log mean.

A coordinator can leave that page for a while, to add a patron group or a service point.
"""

from portal.imports.models import LogUpload

# request.session[LOG_TO_MAP] is the public id of the upload whose page of values the coordinator has left.
LOG_TO_MAP = "log_to_map"


def leave(request, upload):
    """Remember the upload, so that other pages link back to the page of its values."""
    request.session[LOG_TO_MAP] = str(upload.public_id)


def come_back(request):
    """Forget the upload, because the coordinator is on the page of its values again."""
    request.session.pop(LOG_TO_MAP, None)


def upload_to_map(request):
    """Return the upload whose page of values the coordinator has left, or None."""
    public_id = request.session.get(LOG_TO_MAP)
    if public_id is None:
        return None
    uploads = LogUpload.objects.at_desk_of(request.user).filter(public_id=public_id)
    return uploads.filter(task="", problem="", ended_at=None).first()
