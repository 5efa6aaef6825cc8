"""Recording a help session, at once or in several steps."""

from django.contrib import messages
from django.http import Http404
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from accounts.models import AuditEvent
from accounts.sign_in.access import staff_only
from portal import limits
from portal.conversations import desk_actions
from portal.conversations.changes import Erased
from portal.conversations.models import Conversation
from portal.desk import shown_today, slips
from portal.desk.access_log import log_opened
from portal.desk.branches import branch_for, service_point
from portal.desk.forms.sessions import RecordForm, has_content, posted_token, typed_fields
from portal.desk.item_picker import ItemPicker
from portal.desk.items_part import items_context, search_context
from portal.desk.record_defaults import defaults, defaults_for_contact
from portal.desk.tallies import tally_context
from portal.desk.unfinished import saved_fields, tray, with_first_words
from portal.helpsessions import actions
from portal.helpsessions.models import HelpSession
from portal.htmx import render_page
from portal.text import uuid_or_none


@staff_only
@require_http_methods(["GET", "POST"])
def record(request):
    """Show the form that records a help session, or do what its pressed button says."""
    if request.method == "GET":
        return _new_form(request)
    token, action = posted_token(request.POST), request.POST.get("action", "save")
    draft = _draft_with(request, token)
    if draft is not None and draft.status == HelpSession.Status.RECORDED:
        # The form was posted twice.
        return redirect("desk_session" if request.POST.get("conversation") else "slip", draft.public_id)
    return RECORD_ACTIONS.get(action, _change_items)(request, draft, token)


@staff_only
@require_http_methods(["GET"])
def finish_session(request, public_id):
    """Show the form of an unfinished session."""
    draft = get_object_or_404(
        HelpSession.objects.at_desk_of(request.user).select_related("unfinished_form"), public_id=public_id
    )
    if draft.status == HelpSession.Status.RECORDED:
        return redirect("desk_session", public_id)
    if draft.status != HelpSession.Status.UNFINISHED:
        raise Http404
    fields = saved_fields(draft)
    form = _form(request, initial={**fields, "token": draft.public_id})
    return _page(request, form, ItemPicker({**fields, "q": request.GET.get("q", "")}), draft=draft)


@staff_only
@require_POST
def autosave(request):
    """Save the form as an unfinished session. The page takes its URL, so that a reload shows it again."""
    token = posted_token(request.POST)
    draft = _draft_with(request, token)
    if draft is None or draft.status == HelpSession.Status.UNFINISHED:
        draft = _save_draft(request, draft, token)
    context = {
        "draft": draft,
        "saved_at": timezone.now(),
        "secret_number": _form(request, data=request.POST).secret_number,
    }
    response = render(request, "desk/record.html#kept", context)
    if draft.status == HelpSession.Status.UNFINISHED:
        response["HX-Replace-Url"] = reverse("finish_session", args=[draft.public_id])
    return response


@staff_only
@require_http_methods(["GET", "POST"])
def discard_session(request, public_id):
    """Ask whether to discard an unfinished session, then discard it."""
    draft = get_object_or_404(
        HelpSession.objects.at_desk_of(request.user).unfinished().select_related("unfinished_form"),
        public_id=public_id,
    )
    if request.method == "GET":
        return render(request, "desk/discard.html", {"draft": with_first_words(draft)})
    actions.discard_unfinished(draft, by=request.user, at=timezone.now())
    messages.info(request, _("Discarded."))
    return redirect("record")


def _new_form(request):
    """Show an empty form, or one that logs the `conversation` of the URL as a contact."""
    initial = defaults(request.user, request.library, timezone.now())
    if "conversation" in request.GET:
        conversation = _conversation_or_404(request, request.GET["conversation"])
        if conversation.logged_as_id:
            messages.info(request, _("This conversation is already logged as a contact."))
            return redirect("desk_conversation", conversation.public_id)
        log_opened(request, conversation, at=timezone.now(), where=AuditEvent.Where.RECORD)
        initial |= defaults_for_contact(conversation, request.user)
    return _page(request, _form(request, initial=initial), ItemPicker())


# The functions for the buttons of the form. `draft` is the session that this form began, or None.


def _save_and_hand_over(request, draft, token):
    """Record the session and make a code, unless a child gets paper or a code card is attached."""
    help_session, response = _record(request, draft, token)
    if response is not None:
        return response
    at = timezone.now()
    if help_session.is_on_paper_only:
        actions.hand_over_on_paper(help_session, by=request.user, at=at)
    elif not help_session.claim_codes.live(at).exists():
        code = actions.hand_over(help_session, by=request.user, at=at, base_url=slips.base_url())
        slips.keep(request.session, help_session.public_id, [code], at=at)
    return redirect("slip", help_session.public_id)


def _save_only(request, draft, token):
    """Record the session without a code."""
    help_session, response = _record(request, draft, token)
    return response or redirect("desk_session", help_session.public_id)


def _finish_later(request, draft, token):
    """Save the form to the tray. Only the code of a card must be valid, because it opens the session."""
    draft = _save_draft(request, draft, token)
    form = _form(request, data=request.POST)
    form.is_valid()
    card = form.cleaned_data.get("card")
    if "card" in form.errors or (card and not _attach_card(request, form, draft, card)):
        form.keep_errors_of("card")
        return _page(request, form, ItemPicker(request.POST), draft=draft, status=422)
    messages.success(request, _("Saved to your tray. You can finish it later."))
    return redirect("record")


def _change_items(request, draft, token):
    """Do what a button of the items part says, and show the form again from its saved draft."""
    picker = ItemPicker(request.POST)
    picker.change(request.POST["action"])
    fields = {
        name: value
        for name, value in typed_fields(request.POST).items()
        if not name.startswith(("items-", "new-"))
    }
    draft = _save_draft(request, draft, token, fields | picker.fields())
    url = reverse("finish_session", args=[draft.public_id])
    if request.htmx:
        context = items_context(picker, branch_for(request), reverse("record"))
        response = render(request, "desk/items.html", context)
        response["HX-Replace-Url"] = url
        # The page then saves again, because an autosave under way may still save the old items.
        response["HX-Trigger-After-Settle"] = "items-changed"
        return response
    if picker.written.errors:
        form = _form(request, initial={**fields, "token": draft.public_id})
        return _page(request, form, picker, draft=draft, status=422)
    query = f"?q={picker.query_for_url}" if picker.query_for_url else ""
    return redirect(f"{url}{query}#items")


RECORD_ACTIONS = {"save": _save_and_hand_over, "save_only": _save_only, "later": _finish_later}


def _record(request, draft, token):
    """Record the session and return (it, None).

    Return (None, a response) if the form has errors, or if it logged a conversation as a contact.
    """
    picker = ItemPicker(request.POST)
    are_items_valid = picker.check()
    form = _form(request, data=request.POST, has_items=bool(picker.rows))
    must_warn = form.secret_number and "warned" not in request.POST
    if not form.is_valid() or not are_items_valid or must_warn:
        if draft is not None or has_content(request.POST):
            draft = _save_draft(request, draft, token)
        return None, _page(request, form, picker, draft=draft, warned=form.secret_number, status=422)
    fields, at = form.cleaned_data, timezone.now()
    card, conversation = fields.pop("card"), fields.pop("conversation")
    if conversation:
        conversation = _conversation_or_404(request, conversation)
        return None, _log_as_contact(request, form, picker, draft, token, conversation, fields)
    if card:
        draft = _save_draft(request, draft, token)
        if not _attach_card(request, form, draft, card):
            return None, _page(request, form, picker, draft=draft, warned=form.secret_number, status=422)
    if fields["happened_on"] == request.library.today(at):
        fields["service_point"] = service_point(request, fields["branch"])
    items = picker.chosen()
    return actions.record(by=request.user, at=at, items=items, unfinished=draft, **fields), None


def _log_as_contact(request, form, picker, draft, token, conversation, fields):
    """Log the conversation as a contact without a patron, and return to it."""
    contact = {**fields, "items": picker.chosen(), "unfinished": draft}
    try:
        desk_actions.log_as_contact(conversation, by=request.user, at=timezone.now(), **contact)
    except (desk_actions.AlreadyLogged, Erased):
        form.add_error(
            None,
            _(
                "This conversation was already logged as a contact, or was erased. Nothing was "
                "recorded, and you can discard this form."
            ),
        )
        return _page(request, form, picker, draft=_save_draft(request, draft, token), status=422)
    messages.success(request, _("Logged as a contact."))
    return redirect("desk_conversation", conversation.public_id)


def _attach_card(request, form, help_session, card):
    """Attach a code card to the session and return True, or add an error to the form."""
    if not limits.counted(request, form, "card", "code_at_desk"):
        return False
    try:
        actions.attach_code_card(help_session, code=card, by=request.user, at=timezone.now())
    except actions.UnknownCodeCard:
        form.add_error("card", _("No card has this code. Check it against the card."))
    except actions.CodeCardAlreadyAttached:
        form.add_error(
            "card",
            _("This card already belongs to another session, or is too old. Give the patron another card."),
        )
    return "card" not in form.errors


def _draft_with(request, token):
    """Return the session that this form began or recorded, or None if it is new.

    Raises Http404 if the session belongs to someone else.
    """
    own = HelpSession.objects.at_desk_of(request.user)
    draft = own.filter(public_id=token).first()
    # This query leaves out the staff member's own sessions, because a second post of this form may have begun
    # one since the query before.
    is_foreign = (
        draft is None
        and HelpSession.objects.filter(public_id=token).exclude(pk__in=own.values("pk")).exists()
    )
    if is_foreign or (draft is not None and draft.status == HelpSession.Status.TALLY):
        raise Http404
    return draft


def _save_draft(request, draft, token, fields=None):
    """Save the typed fields as an unfinished session, and return it."""
    fields = typed_fields(request.POST) if fields is None else fields
    if draft is None:
        branch = branch_for(request)
        return actions.start_unfinished(
            by=request.user, at=timezone.now(), branch=branch, fields=fields, token=token
        )
    actions.save_unfinished(draft, fields=fields, at=timezone.now())
    return draft


def _conversation(request, public_id):
    """Return the conversation that the form logs as a contact, or None."""
    public_id = uuid_or_none(public_id)
    if public_id is None:
        return None
    conversations = Conversation.objects.at_desk_of(request.user, shown_today.ids(request)).not_merged()
    conversations = conversations.exclude(status=Conversation.Status.ERASED)
    related = "help_session", "readers_form", "branch", "patron"
    return conversations.select_related(*related).filter(public_id=public_id).first()


def _conversation_or_404(request, public_id):
    conversation = _conversation(request, public_id)
    if conversation is None:
        raise Http404
    return conversation


def _form(request, **kwargs):
    return RecordForm(user=request.user, library=request.library, at=timezone.now(), **kwargs)


def _page(request, form, picker, *, draft=None, warned=False, status=200):
    conversation = _conversation(request, form["conversation"].value())
    if status != 200:
        form.leave_focus_to_errors()
    if conversation is not None:
        form.hide_patron_hints()
    context = {
        "form": form,
        "picker": picker,
        "items_url": reverse("record"),
        "draft": draft,
        "warned": warned,
        "secret_number": warned,
        "card_attached": draft is not None and draft.claim_codes.live(timezone.now()).exists(),
        "conversation": conversation,
        "tray": [begun for begun in tray(request.user) if draft is None or begun["pk"] != draft.pk],
        **search_context(picker, branch_for(request)),
        **tally_context(request),
    }
    return render_page(request, "desk/record.html", context, status=status)
