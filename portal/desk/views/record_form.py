"""Functions for the form that records a help session, and for the draft that saves the typed values."""

from django.db.models import UUIDField
from django.http import Http404
from django.urls import reverse
from django.utils import timezone

from portal.conversations.models import Conversation
from portal.desk import shown_today
from portal.desk.branches import branch_for
from portal.desk.check_ins.suggestion import suggestion
from portal.desk.forms.posted_sessions import (
    has_content,
    posted_token,
    typed_fields,
    with_current_names,
)
from portal.desk.forms.sessions import CHECK_IN_FIELDS, RecordForm
from portal.desk.items_part import search_context, untouched_items
from portal.desk.tallies import tally_context
from portal.desk.unfinished import tray
from portal.helpsessions import unfinished
from portal.helpsessions.models import HelpSession
from portal.htmx import render_page
from portal.prepared import prepared
from portal.text import uuid_or_none

Status = HelpSession.Status


def record_form(request, **kwargs):
    """Return a RecordForm for this staff member. `kwargs` are further arguments, such as `data`."""
    return RecordForm(user=request.user, library=request.library, at=timezone.now(), **kwargs)


def record_page(request, form, picker, *, draft=None, warned=False, recipient=None, status=200):
    """Return the page with the form.

    If `warned` is true, the page warns that a text seems to contain a secret number. `recipient` is the
    Recipient that staff entered in “For”, or None.
    """
    conversation = _conversation(request, form["conversation"].value())
    items_url = reverse("record")
    if status != 200:
        form.leave_focus_to_errors()
    if conversation is not None:
        form.hide_patron_hints()
    context = {
        "form": form,
        "picker": picker,
        "items_url": items_url,
        "untouched_items": untouched_items(picker, items_url),
        "draft": draft,
        "warned": warned,
        "recipient": recipient,
        "secret_number": warned,
        "card_attached": draft is not None and draft.claim_codes.live(timezone.now()).exists(),
        "conversation": conversation,
        "suggested": form.is_bound
        and conversation is None
        and suggestion(form, helper=request.user, branch=branch_for(request), at=timezone.now()),
        "is_untouched": not form.is_bound and not form.initial.keys() & set(CHECK_IN_FIELDS),
        "tray": [begun for begun in tray(request.user) if draft is None or begun["pk"] != draft.pk],
        **search_context(picker, branch_for(request)),
        **tally_context(request),
    }
    return render_page(request, "desk/record.html", context, status=status)


def draft_with(request, token):
    """Return the session that the form with this token has saved or recorded before, or None.

    Raise Http404 if the session belongs to someone else, is a tally, or was replaced.
    """
    if not _sessions_with(token=token):
        return None
    draft = HelpSession.objects.at_desk_of(request.user).filter(public_id=token).first()
    if draft is None or draft.status not in {Status.UNFINISHED, Status.RECORDED}:
        raise Http404
    return draft


@prepared(token=UUIDField())
def _sessions_with(token):
    return HelpSession.objects.filter(public_id=token).values_list("pk")


def save_draft(request, draft, token, fields=None):
    """Save the typed fields as an unfinished session, and return the session."""
    fields = typed_fields(request.POST) if fields is None else fields
    if draft is None:
        branch = branch_for(request)
        return unfinished.start_unfinished(
            by=request.user, at=timezone.now(), branch=branch, fields=fields, token=token
        )
    unfinished.save_unfinished(draft, fields=fields, at=timezone.now())
    return draft


def put_form_back(request, typed):
    """Save a refused form as an unfinished session, and return the URL of the session's page.

    If staff entered no text and no items, save nothing and return "". Do the same if staff entered a patron's
    card number or email address, or if the session is already recorded.
    """
    typed = with_current_names(typed)
    if not has_content(typed) or typed.get("for_whom", "").strip():
        return ""
    token = posted_token(typed)
    draft = draft_with(request, token)
    if draft is not None and draft.status == Status.RECORDED:
        return ""
    draft = save_draft(request, draft, token, typed_fields(typed))
    return reverse("finish_session", args=[draft.public_id])


def conversation_to_log(request, public_id):
    """Return the conversation that the form logs as a contact, or raise Http404."""
    conversation = _conversation(request, public_id)
    if conversation is None:
        raise Http404
    return conversation


def _conversation(request, public_id):
    """Return the conversation that the form logs as a contact, or None."""
    public_id = uuid_or_none(public_id)
    if public_id is None:
        return None
    conversations = Conversation.objects.at_desk_of(request.user, shown_today.ids(request)).not_merged()
    conversations = conversations.exclude(status=Conversation.Status.ERASED)
    related = "help_session", "readers_form", "branch", "patron"
    return conversations.select_related(*related).filter(public_id=public_id).first()
