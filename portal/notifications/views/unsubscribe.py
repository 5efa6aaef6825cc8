"""Turn notices off with the link in an email, without signing in (RFC 8058)."""

from django.shortcuts import render
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from portal.notifications.choices import turn_off
from portal.notifications.unsubscribing import read_token


# A mail program sends the POST, without a cookie and without a page of ours before. The signed token
# shows that the link comes from an email, and the POST does only what the link says.
@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
def unsubscribe(request, token):
    """Show a button. Only a POST turns the notices off, because scanners open every link in an email."""
    person, kinds = read_token(token)
    if person is None:
        return render(request, "notifications/unsubscribe_unknown.html", status=404)
    if request.method == "POST":
        turn_off(person, [kind.key for kind in kinds])
    context = {
        "kinds": kinds,
        "is_done": request.method == "POST",
        "for_staff": any(kind.for_staff for kind in kinds),
    }
    return render(request, "notifications/unsubscribe.html", context)
