from django.shortcuts import render
from django.utils.http import url_has_allowed_host_and_scheme
from django_htmx.http import trigger_client_event


def render_page(request, template, context=None, *, partial="", status=200):
    """Render the template. If htmx sent the request, render only the template's partial named `partial`.

    The view passes the name of the partial, so the client can't choose it.
    """
    if request.htmx and partial:
        template = f"{template}#{partial}"
        # htmx does not show the body of a response with a 4xx status.
        status = 200 if status in {400, 422} else status
    return render(request, template, context, status=status)


def announce(response, words):
    """Make screen readers announce the text `words` when htmx receives the response. Return the response."""
    return trigger_client_event(response, "announce", words)


def back_to(request, otherwise):
    """Return the path in the form's field `back`, or `otherwise` if it is not a path of this portal.

    An undo button has no form fields. So the URL may have the parameter `back` instead.
    """
    back = request.POST.get("back") or request.GET.get("back", "")
    if back.startswith("/") and url_has_allowed_host_and_scheme(back, allowed_hosts=None):
        return back
    return otherwise
