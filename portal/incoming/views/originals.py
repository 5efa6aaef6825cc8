"""Send the original of an email to a person who may open it."""

from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_safe

from accounts.sign_in.access import sign_in_to_open
from portal.incoming.models import IncomingEmail

POLICY = "sandbox; frame-ancestors 'none'"


@sign_in_to_open(IncomingEmail)
@require_safe
def original_email(request, public_id):
    """Send the original email of the message with this public id, if the viewer sent the email."""
    emails = IncomingEmail.objects.belonging_to(request.viewer)
    return original_response(get_object_or_404(emails, message__public_id=public_id))


def original_response(email):
    """Return a response with the original email, as a download. Raises Http404 if the file is gone.

    No browser shows an email of the type message/rfc822, so nothing in it runs on this site.
    """
    try:
        with email.file.open("rb") as stream:
            response = HttpResponse(stream.read(), content_type="message/rfc822")
    except (FileNotFoundError, ValueError):
        raise Http404 from None
    name = f"email-{email.came_at:%Y-%m-%d}.eml"
    response.headers["Content-Disposition"] = content_disposition_header(True, name)
    response.headers["Content-Security-Policy"] = POLICY
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Cache-Control"] = "private, no-store"
    return response
