from django.shortcuts import render
from django.utils.http import url_has_allowed_host_and_scheme


def render_page(request, template, context=None, *, partial="", status=200):
    """The whole page, or to htmx its named partial. The server names the part; the client never does."""
    if request.htmx and partial:
        template = f"{template}#{partial}"
        status = 200 if status in {400, 422} else status  # htmx swaps no 4xx
    return render(request, template, context, status=status)


def back_to(request, otherwise):
    """The page of ours that a form was sent from, as its field `back` says; `otherwise` if that says anything else."""
    back = request.POST.get("back", "")
    if back.startswith("/") and url_has_allowed_host_and_scheme(back, allowed_hosts=None):
        return back
    return otherwise
