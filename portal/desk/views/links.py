"""The pages on which staff share items by a link, and manage these links."""

import uuid

from django.contrib import messages
from django.http import Http404
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.sign_in.access import staff_only
from portal.conversations.changes import Erased
from portal.desk import shown_today
from portal.desk.access_log import log_reading, log_sessions_read
from portal.desk.conversation_lookup import conversation_for_action
from portal.desk.queue_navigation import conversation_url
from portal.desk.shared_items import (
    is_conversation_shareable,
    is_session_shareable,
    items_of_answer,
    items_of_session,
)
from portal.desk.views.items import COVERS_AT
from portal.helpsessions.models import HelpSession
from portal.htmx import render_page
from portal.kits.models import Kit
from portal.limits import TooOften, count
from portal.lists import links, staff_links
from portal.lists.forms import EndForm, too_many_links
from portal.lists.models import MAX_STAFF_LINKS, StaffLink
from portal.lists.visitors_page import shown_items, shown_to_visitors
from portal.paging import page_of
from portal.templatetags.portal import whole_day
from portal.text import uuid_or_none


@staff_only
@require_http_methods(["GET", "HEAD", "POST"])
def share_answer(request, public_id, message_id):
    """Show the items of an answer as visitors will see them. The button makes the link."""
    at = timezone.now()
    try:
        conversation = conversation_for_action(request, public_id)
    except Erased:
        return redirect("desk_conversation", public_id)
    back = conversation_url(request, conversation)
    if not is_conversation_shareable(conversation):
        return _refuse(request, back)
    log_reading(request, conversation, at=at)
    items = items_of_answer(conversation, message_id, at=at)
    return share_items(request, items, branch=conversation.branch, back=f"{back}#message-{message_id}")


@staff_only
@require_http_methods(["GET", "HEAD", "POST"])
def share_session(request, public_id):
    """Show the items of a visit as visitors will see them. The button makes the link."""
    sessions = HelpSession.objects.at_desk_of(request.user, shown_today.ids(request))
    help_session = get_object_or_404(
        sessions.select_related("branch", "topic", "patron", "shared_with"), public_id=public_id
    )
    back = reverse("desk_session", args=[public_id])
    if not is_session_shareable(help_session):
        return _refuse(request, back)
    log_sessions_read(request, [help_session], at=timezone.now())
    return share_items(request, items_of_session(help_session), branch=help_session.branch, back=back)


def _refuse(request, back):
    words = _(
        "These items can't be shared, because the visit or conversation is quiet, with a child, or about a "
        "sensitive topic."
    )
    messages.warning(request, words)
    return redirect(back)


def share_items(request, items, *, branch, back="", kit=None):
    """Show the preview. If the form is valid, make the link, and redirect to its page.

    `back` is the URL of the page that the staff member came from. If they share a `kit`, this is the page of
    the kit.
    """
    if not items:
        raise Http404
    form = EndForm(request.POST or None)
    if request.method == "POST" and form.is_valid() and (link := _make_link(request, items, branch, form)):
        messages.success(request, _("The link is ready. Copy its address, or send it."))
        return redirect(f"{link.get_absolute_url()}?kit={kit.public_id}" if kit else link)
    context = {
        "form": form,
        "shown": shown_items(items),
        "covers_at": COVERS_AT,
        "back": kit.get_absolute_url() if kit else back,
        "kit": kit,
        "client_token": uuid_or_none(request.POST.get("client_token", "")) or uuid.uuid4(),
    }
    return render_page(request, "desk/links/share.html", context, status=422 if form.errors else 200)


def _make_link(request, items, branch, form):
    """Make the link, and return it. If a limit is reached, add an error to the form, and return None."""
    token = uuid_or_none(request.POST.get("client_token", ""))
    try:
        count(request, "staff_link")
        return staff_links.make_staff_link(
            items,
            branch=branch,
            days=form.cleaned_data["days"],
            client_token=token,
            by=request.user,
            at=timezone.now(),
        )
    except TooOften as error:
        form.add_error(None, error.words)
    except links.TooManyLinks:
        form.add_error(None, too_many_links(MAX_STAFF_LINKS))
    return None


@staff_only
@require_safe
def desk_links(request):
    """List the links to items that the staff member made, or may end as a coordinator."""
    rows = StaffLink.objects.at_desk_of(request.user).select_related("made_by", "branch")
    rows = rows.prefetch_related("items__item")
    found, older = page_of(rows, "made_at", request.GET.get("after"))
    at = timezone.now()
    for link in found:
        link.is_working = link.works(at)
    context = {
        "links": found,
        "older": older,
        "count": staff_links.working_staff_links(request.user, at).count(),
        "most": MAX_STAFF_LINKS,
    }
    return render_page(request, "desk/links/list.html", context)


@staff_only
@require_http_methods(["GET", "HEAD", "POST"])
def desk_link(request, public_id):
    """Show the address of a link and what visitors see. On POST, change the day on which the link ends."""
    link, at = _link_or_404(request, public_id), timezone.now()
    form = EndForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            staff_links.change_staff_link(link, days=form.cleaned_data["days"], by=request.user, at=at)
        except links.LinkEnded:
            messages.error(request, _("This link has already ended. You can make a new one."))
        else:
            words = _("The link works until %(day)s.") % {"day": whole_day(link.last_day)}
            messages.success(request, words)
        return redirect(link)
    works = link.works(at)
    context = {
        "link": link,
        "works": works,
        "kit": _kit_of(request),
        "is_mine": link.made_by_id == request.user.pk,
        "address": links.address_of(link) if works else "",
        "shown": shown_to_visitors(link),
        "covers_at": COVERS_AT,
        "form": form,
    }
    return render_page(request, "desk/links/link.html", context, status=422 if form.errors else 200)


@staff_only
@require_POST
def end_desk_link(request, public_id):
    """End a link immediately."""
    staff_links.end_staff_link(_link_or_404(request, public_id), by=request.user, at=timezone.now())
    messages.success(request, _("The link has ended. Nobody can open it anymore."))
    return redirect("desk_links")


def _kit_of(request):
    """Return the kit whose page the staff member came from, or None. The link itself names no kit."""
    kit = uuid_or_none(request.GET.get("kit", ""))
    return Kit.objects.at_desk_of(request.user).with_words().filter(public_id=kit).first() if kit else None


def _link_or_404(request, public_id):
    rows = StaffLink.objects.at_desk_of(request.user).select_related("made_by", "branch")
    return get_object_or_404(rows, public_id=public_id)
