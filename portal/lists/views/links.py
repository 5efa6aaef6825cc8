"""The pages on which patrons make, see and end the links to their lists."""

import uuid

from django.contrib import messages
from django.http import Http404
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from accounts.sign_in.access import sign_in_to_open
from accounts.sign_in.unsent import shows_unsent_text, with_unsent_text
from portal.htmx import render_page
from portal.limits import TooOften, count
from portal.templatetags.portal import whole_day
from portal.text import uuid_or_none

from .. import links
from ..forms import EndForm, LinkForm
from ..models import MAX_LINKS, ListLink, SavedList
from ..visitors_page import shown_to_visitors


def share_section(request, saved_list):
    """Return the context of templates/lists/options/share.html. `links` is [(link, whether it works)]."""
    rows = ListLink.objects.belonging_to(request.viewer).filter(saved_list=saved_list)
    rows = rows.select_related("saved_list__patron").order_by("-made_at", "-pk")
    at = timezone.now()
    found = [(link, link.works(at)) for link in rows]
    return {"links": found, "may_share": links.may_share(saved_list.patron, request.library)}


@sign_in_to_open(SavedList)
@shows_unsent_text()
@require_http_methods(["GET", "HEAD", "POST"])
def share_list(request, public_id):
    """Show the form for a new link, and then the preview. The button of the preview makes the link.

    The form of the preview sends the same choices again, so the link shows exactly what the preview showed.
    It also has a token, so that a double tap makes only one link.
    """
    lists = SavedList.objects.belonging_to(request.viewer).select_related("patron")
    saved_list = get_object_or_404(lists, public_id=public_id)
    if not links.may_share(saved_list.patron, request.library):
        raise Http404
    unsent, initial = with_unsent_text(request, {"with_notes": False, "name": "", "days": links.DEFAULT_DAYS})
    form = LinkForm(request.POST or None, initial=initial, is_child=saved_list.patron.is_child)
    if request.method == "POST" and form.is_valid():
        if "make" in request.POST and (link := _make_link(request, saved_list, form)):
            messages.success(request, _("The link is ready. Copy its address, or send it."))
            return redirect(link)
        if form.is_valid() and "change" not in request.POST:
            return _preview(request, saved_list, form)
    context = {
        "saved_list": saved_list,
        "form": form,
        "unsent": unsent,
        "count": links.working_links(saved_list.patron, timezone.now()).count(),
        "most": MAX_LINKS,
    }
    return render_page(request, "lists/share.html", context, status=422 if form.errors else 200)


def _make_link(request, saved_list, form):
    """Make the link, and return it. If a limit is reached, add an error to the form, and return None."""
    token = uuid_or_none(request.POST.get("client_token", ""))
    try:
        count(request, "list_link")
        return links.make_link(saved_list, client_token=token, at=timezone.now(), **form.cleaned_data)
    except TooOften as error:
        form.add_error(None, error.words)
    except links.TooManyLinks:
        form.add_too_many()
    except (links.NotAllowed, SavedList.DoesNotExist) as error:
        # Since the page was opened, the library has disallowed sharing by children, or the patron has removed
        # the list.
        raise Http404 from error
    return None


def _preview(request, saved_list, form):
    chosen = form.cleaned_data
    link = ListLink(
        saved_list=saved_list,
        with_notes=chosen["with_notes"],
        name=chosen.get("name", ""),
        ends_at=links.end_of(chosen["days"], timezone.now()),
    )
    after = request.POST.get("after")
    context = {
        "saved_list": saved_list,
        "link": link,
        "form": form,
        "client_token": uuid.uuid4(),
        "shown": shown_to_visitors(link, after=after),
        "later_page": bool(after),
        # There is no link yet, so the covers come from addresses that only the patron can open.
        "token": "",
    }
    return render_page(request, "lists/share_preview.html", context)


@sign_in_to_open(ListLink)
@require_http_methods(["GET", "HEAD", "POST"])
def list_link(request, public_id):
    """Show the address of a link, and change when the link ends."""
    rows = ListLink.objects.belonging_to(request.viewer).select_related("saved_list__patron")
    link, at = get_object_or_404(rows, public_id=public_id), timezone.now()
    form = EndForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            links.change_end(link, days=form.cleaned_data["days"], at=at)
        except links.LinkEnded:
            messages.error(request, _("This link has already ended. You can make a new one."))
        else:
            _say_until_when_it_works(request, link)
        return redirect(link)
    works = link.works(at)
    context = {
        "link": link,
        "works": works,
        # The library may have disallowed sharing by children after this link was made.
        "is_paused": works and not links.may_share(link.saved_list.patron, request.library),
        "saved_list": link.saved_list,
        "address": links.address_of(link) if works else "",
        "form": form,
    }
    return render_page(request, "lists/link.html", context, status=422 if form.errors else 200)


def _say_until_when_it_works(request, link):
    words = _("The link works until %(day)s.") % {"day": whole_day(link.last_day)}
    messages.success(request, words)


@sign_in_to_open(ListLink)
@require_POST
def end_list_link(request, public_id):
    """End a link immediately."""
    rows = ListLink.objects.belonging_to(request.viewer).select_related("saved_list__patron")
    link = get_object_or_404(rows, public_id=public_id)
    links.end_link(link, at=timezone.now())
    messages.success(request, _("The link has ended. Nobody can open it anymore."))
    return redirect(reverse("list_options", args=[link.saved_list.public_id]))
