"""The page where people search their visits and lists."""

from django.contrib.auth.views import redirect_to_login
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from portal.htmx import render_page
from portal.own_search_form import SearchForm

from ..search import find, has_anything


@sensitive_post_parameters("words")
@require_http_methods(["GET", "HEAD", "POST"])
def search(request):
    """Show the form for searching. After a POST, also show what was found.

    The search text never appears in a URL or in the session, and nothing is saved.
    """
    if not request.viewer:
        return redirect_to_login(request.get_full_path_info())
    form = SearchForm(request.POST if request.method == "POST" else None)
    found, may_search = None, True
    if form.is_valid():
        found = find(request.viewer, form.cleaned_data["words"], show=form.cleaned_data["show"])
    elif request.method != "POST":
        may_search = has_anything(request.viewer)
        form.fields["words"].widget.attrs["autofocus"] = True
    context = {"form": form, "found": found, "may_search": may_search}
    return render_page(
        request, "home/search.html", context, partial="search", status=422 if form.errors else 200
    )
