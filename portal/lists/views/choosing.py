"""The page where a patron adds an item to lists and removes it from lists."""

from django.http import HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from accounts.sign_in.access import sign_in_to_open
from accounts.sign_in.unsent import shows_unsent_text, with_unsent_text
from portal.htmx import back_to, render_page
from recommendations.models import Recommendation

from .. import actions, own_lists
from ..forms import ListForm
from ..models import MAX_LISTS, SavedItem, SavedList
from .saveable import keep_first


@sign_in_to_open(Recommendation)
@shows_unsent_text()
@require_http_methods(["GET", "HEAD", "POST"])
def choose_lists(request, public_id):
    """Show a toggle for each list of the patron, for an item that was recommended to them.

    A POST makes a new list and saves the item there.
    """
    rows = Recommendation.objects.belonging_to(request.viewer).select_related("item")
    recommendation = get_object_or_404(rows, public_id=public_id)
    item = recommendation.item
    if first := keep_first(request, recommendation):
        return first
    person, session = request.viewer.person, request.viewer.session_of(recommendation)
    unsent, initial = with_unsent_text(request, {"name": ""})
    form = ListForm(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        at = timezone.now()
        try:
            made = own_lists.make_list(person, name=form.cleaned_data["name"], at=at)
        except own_lists.NameTaken:
            form.add_name_taken()
        except own_lists.TooManyLists:
            form.add_too_many()
        else:
            actions.save(item, patron=person, at=at, recommendation=recommendation, saved_list=made)
            return HttpResponseRedirect(request.get_full_path_info())
    own = SavedItem.objects.belonging_to(request.viewer).filter(item=item)
    saved = dict(own.values_list("saved_list", "public_id"))
    # Sort by name, so that no list moves when the patron presses several toggles in a row.
    lists = sorted(SavedList.objects.belonging_to(request.viewer), key=lambda own: own.title.casefold())
    for saved_list in lists:
        saved_list.saved = saved.get(saved_list.pk)
    context = {
        "item": item,
        "recommendation": recommendation,
        "lists": lists,
        "form": form,
        "unsent": unsent,
        "most": MAX_LISTS,
        "may_add": len(lists) < MAX_LISTS,
        "back": back_to(request, otherwise=session.get_absolute_url() if session else reverse("saved")),
        "here": request.get_full_path_info(),
    }
    return render_page(request, "lists/choose.html", context, status=422 if form.errors else 200)
