"""The page with the form that records a help session, and a function for each button of the form."""

from urllib.parse import urlencode

from django.contrib import messages
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from accounts.models import AuditEvent
from accounts.refused_form import puts_text_back
from accounts.sign_in.access import staff_only
from portal import limits
from portal.checkins import recording
from portal.conversations import desk_actions
from portal.conversations.changes import Erased
from portal.desk import slips
from portal.desk.access_log import log_opened
from portal.desk.branches import branch_for
from portal.desk.forms.posted_sessions import has_content, posted_token, typed_fields, with_current_names
from portal.desk.item_picker import ItemPicker
from portal.desk.items_part import items_context
from portal.desk.recipients import checked_recipient
from portal.desk.record_defaults import default_point, defaults, defaults_for_contact
from portal.helpsessions import handover
from portal.helpsessions.models import HelpSession

from .recipients import save_for
from .record_form import (
    conversation_to_log,
    draft_with,
    put_form_back,
    record_form,
    record_page,
    save_draft,
)


@puts_text_back(put_form_back)
@staff_only
@require_http_methods(["GET", "POST"])
def record(request):
    """Show the form that records a help session. On POST, call the function of the pressed button."""
    request.GET, request.POST = with_current_names(request.GET), with_current_names(request.POST)
    if request.method == "GET":
        return _new_form(request)
    token, action = posted_token(request.POST), request.POST.get("action", "save")
    draft = draft_with(request, token)
    if draft is not None and draft.status == HelpSession.Status.RECORDED:
        # The form was posted twice, and the first request has recorded the session.
        return redirect("desk_session" if request.POST.get("conversation") else "slip", draft.public_id)
    return RECORD_ACTIONS.get(action, _change_items)(request, draft, token)


def _new_form(request):
    """Show an empty form.

    If the URL has a parameter `conversation`, the form logs that conversation as a contact.
    """
    initial = defaults(request.user, request.library, timezone.now(), shared_desk=request.shared_desk)
    if "conversation" in request.GET:
        conversation = conversation_to_log(request, request.GET["conversation"])
        if conversation.logged_as_id:
            messages.info(request, _("This conversation is already counted as a contact."))
            return redirect("desk_conversation", conversation.public_id)
        log_opened(request, conversation, at=timezone.now(), where=AuditEvent.Where.RECORD)
        initial |= defaults_for_contact(conversation, request.user)
    initial["default_language"] = initial["language"]
    initial |= default_point(request.shared_desk, branch_id=initial["branch"], day=initial["happened_on"])
    return record_page(request, record_form(request, initial=initial), ItemPicker())


# Each of these functions handles one button of the form. `draft` is the unfinished session that was saved
# earlier from the same form, or None.


def _save_and_hand_over(request, draft, token):
    """Record the session. Put the session into the patron's account, or make a code for it.

    In two cases, make no code: a child gets paper only, or the session already has the code of a code card.
    """
    fields, recipient, response = _checked_fields(request, draft, token)
    if response is not None:
        return response
    if recipient is not None:
        return save_for(request, recipient, fields)
    at = timezone.now()
    help_session, code = recording.record_and_hand_over(
        by=request.user, at=at, library=request.library, **fields
    )
    if code:
        slips.keep(request.session, help_session.public_id, [code], at=at)
    return redirect("slip", help_session.public_id)


def _save_only(request, draft, token):
    """Record the session without making a code.

    If staff entered a patron with an account, put the session into the account.
    """
    fields, recipient, response = _checked_fields(request, draft, token)
    if response is not None:
        return response
    if recipient is not None:
        return save_for(request, recipient, fields)
    help_session = recording.record(by=request.user, at=timezone.now(), **fields)
    return redirect("desk_session", help_session.public_id)


def _finish_later(request, draft, token):
    """Save the form as an unfinished session.

    Ignore errors in the form, except in the code of a code card. This code must be valid, because the card is
    attached to the session immediately.
    """
    draft = save_draft(request, draft, token)
    form = record_form(request, data=request.POST)
    form.is_valid()
    card = form.cleaned_data.get("card")
    if "card" in form.errors or (card and not _attach_card(request, form, draft, card)):
        form.keep_errors_of("card")
        return record_page(request, form, ItemPicker(request.POST, by=request.user), draft=draft, status=422)
    words = _("Saved. You can finish this help session later.")
    if request.POST.get("for_whom", "").strip():
        words = _(
            "Saved without the card number or email of the patron. Enter it again when you finish this help "
            "session."
        )
    messages.success(request, words)
    return redirect("record")


def _change_items(request, draft, token):
    """Change the chosen items or search for items, depending on the pressed button of the item picker.

    Save the form as a draft, and show the form again from the draft.
    """
    picker = ItemPicker(request.POST, by=request.user)
    picker.change(request.POST["action"], by=request.user)
    fields = {
        name: value
        for name, value in typed_fields(request.POST).items()
        if not name.startswith(("items-", "new-"))
    }
    draft = save_draft(request, draft, token, fields | picker.fields())
    url = reverse("finish_session", args=[draft.public_id])
    if request.htmx:
        context = items_context(picker, branch_for(request), reverse("record"))
        response = render(request, "desk/items.html", context)
        response["HX-Replace-Url"] = url
        # This header makes the page save the form again. Otherwise an autosave that began before this request
        # could replace the new items with the old ones.
        response["HX-Trigger-After-Settle"] = "items-changed"
        return response
    for_whom = request.POST.get("for_whom", "")
    if picker.written.errors or for_whom:
        # A redirect would lose the card number or email address, because a draft doesn't save it.
        form = record_form(request, initial={**fields, "token": draft.public_id, "for_whom": for_whom})
        status = 422 if picker.written.errors else 200
        return record_page(request, form, picker, draft=draft, status=status)
    return redirect(f"{url}{picker.for_url}#items")


def _show_what_helped(request, draft, token):
    """Save the form as an unfinished session, and show what helped before with the form's topic.

    Only browsers without JavaScript have this button. In other browsers, the form shows what helped.
    """
    draft = save_draft(request, draft, token)
    names = ("topic", "question_type")
    given = {name: request.POST[name] for name in names if request.POST.get(name)}
    query = urlencode(given | {"form": draft.public_id})
    return redirect(f"{reverse('what_helped_before')}?{query}")


RECORD_ACTIONS = {
    "save": _save_and_hand_over,
    "save_only": _save_only,
    "later": _finish_later,
    "what_helped": _show_what_helped,
}


def _checked_fields(request, draft, token):
    """Check the form and attach its code card. Return (arguments for recording.record, Recipient, None).

    The Recipient is None if staff entered no patron. In two cases, return (None, None, a response) instead:
    the form has errors, or it has logged a conversation as a contact.
    """
    picker = ItemPicker(request.POST, by=request.user)
    are_items_valid = picker.check()
    form = record_form(request, data=request.POST, has_items=bool(picker.rows))
    recipient = checked_recipient(request, form)

    def page():
        context = {"draft": draft, "warned": form.secret_number, "recipient": recipient}
        return None, None, record_page(request, form, picker, status=422, **context)

    must_warn = form.secret_number and "warned" not in request.POST
    if not form.is_valid() or not are_items_valid or must_warn:
        if draft is not None or has_content(request.POST):
            draft = save_draft(request, draft, token)
        return page()
    fields = form.cleaned_data
    card, conversation = fields.pop("card"), fields.pop("conversation")
    if conversation:
        conversation = conversation_to_log(request, conversation)
        return None, None, _log_as_contact(request, form, picker, draft, token, conversation, fields)
    if card:
        draft = save_draft(request, draft, token)
        if not _attach_card(request, form, draft, card):
            return page()
    if recipient is not None and not recipient.may_be_emailed(request, form):
        draft = save_draft(request, draft, token)
        return page()
    return {**fields, "items": picker.chosen(by=request.user), "unfinished": draft}, recipient, None


def _log_as_contact(request, form, picker, draft, token, conversation, fields):
    """Log the conversation as a contact without a patron, and redirect to the conversation."""
    # A logged contact has no patron, so no check-in is planned.
    fields.pop("wish", None)
    contact = {**fields, "items": picker.chosen(by=request.user), "unfinished": draft}
    try:
        desk_actions.log_as_contact(conversation, by=request.user, at=timezone.now(), **contact)
    except (desk_actions.AlreadyLogged, Erased):
        form.add_error(
            None,
            _(
                "This conversation was already counted as a contact, or it was erased. Nothing was "
                "recorded. You can discard this form."
            ),
        )
        return record_page(request, form, picker, draft=save_draft(request, draft, token), status=422)
    messages.success(request, _("Counted as a contact."))
    return redirect("desk_conversation", conversation.public_id)


def _attach_card(request, form, help_session, card):
    """Attach a code card to the session and return True, or add an error to the form and return False."""
    if not limits.counted(request, form, "card", "code_at_desk"):
        return False
    try:
        handover.attach_code_card(help_session, code=card, by=request.user, at=timezone.now())
    except handover.UnknownCodeCard:
        form.add_error("card", _("No code card has this code. Check the digits on the card."))
    except handover.CodeCardAlreadyAttached:
        form.add_error(
            "card",
            _(
                "This code card already belongs to another help session, or is too old. Give the "
                "patron another code card."
            ),
        )
    return "card" not in form.errors
