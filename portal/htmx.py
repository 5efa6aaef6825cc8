from django.shortcuts import render


def render_page(request, template, context=None, *, partial="", status=200):
    """The whole page, or to htmx its named partial. The server names the part; the client never does."""
    if request.htmx and partial:
        template = f"{template}#{partial}"
        status = 200 if status in {400, 422} else status  # htmx swaps no 4xx
    return render(request, template, context, status=status)
