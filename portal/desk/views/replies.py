"""Views that staff use to answer a conversation.

The views handle the buttons of the composer, save drafts, take back an answer, and close the conversation.
"""

from django.contrib import messages
from django.http import Http404
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST
from django_htmx.http import HttpResponseClientRedirect

from accounts.refused_form import puts_text_back
from accounts.sign_in.access import staff_only
from portal.conversations import actions, desk_actions, drafts, taking_back
from portal.conversations import reply_templates as templates
from portal.conversations.desk_actions import AlreadyTaken
from portal.conversations.models import Conversation, Draft, Side
from portal.conversations.views import attaching, drafting
from portal.desk.composer import put_text_back, save_typed
from portal.desk.conversation_lookup import conversation_for_page
from portal.desk.conversation_messages import taken_words
from portal.desk.ended_cover import opened_under_cover
from portal.desk.forms.replies import DraftForm, ReplyForm, composer_extras
from portal.desk.item_picker import ItemPicker, fields_of
from portal.desk.items_part import items_context
from portal.desk.queue_navigation import next_after, undo_answer_url
from portal.desk.record_defaults import contact_of
from portal.desk.sending import COUNT, NEXT, SEND_BUTTONS, TAKE, pressed_button, sent_notice, then_after
from portal.desk.undo import undo_tag
from portal.text import uuid_or_none
from recommendations.models import Recommendation

from .action_responses import unless_gone
from .conversation_responses import redirect_to, show_conversation, show_message

# The buttons of the item picker post these values as `action`. The public id of an item follows "pick-", and
# the number of a row follows "remove-" and "up-".
ITEM_ACTIONS = ("find", "as_typed", "by_hand", "add_item", "read_pasted", "add_pasted", "kits")
ITEM_PREFIXES = ("pick-", "kit-", "remove-", "up-", "narrow-")


@puts_text_back(put_text_back)
@staff_only
@require_POST
@unless_gone
def desk_reply(request, public_id):
    """Call the function for the button that was pressed in the composer."""
    conversation = conversation_for_page(request, public_id)
    action = request.POST.get("action", "send")
    name = "template" if action.startswith("template-") else action
    return REPLY_ACTIONS.get(name, _change_items)(request, conversation, action)


def _send(request, conversation, action):
    """Send the answer. The pressed button says what else to do, such as closing the conversation.

    If someone else wrote after the page was shown, ask whether to send the answer anyway. The button
    `send_anyway` sends the answer without asking.
    """
    button, at = pressed_button(request.POST), timezone.now()
    form, picker = ReplyForm(request.POST), ItemPicker(request.POST, by=request.user)
    refused = _add_files(request, conversation)
    are_items_valid = picker.check()
    if not form.is_valid() or not are_items_valid or refused:
        return show_conversation(request, conversation, form=form, picker=picker, refused=refused, status=422)
    typed = form.cleaned_data
    try:
        message = actions.reply(
            conversation,
            by=request.user,
            side=Side.STAFF,
            at=at,
            body=typed["body"],
            language=typed["language"],
            client_token=typed["client_token"],
            items=picker.chosen(by=request.user),
            then=then_after(button, typed["then"]),
            take=button == TAKE,
            contact=_contact(request, conversation, at) if button == COUNT else None,
            draft_sequence=typed["sequence"],
            seen=None if action == "send_anyway" else typed["seen"] or 0,
        )
    except actions.AnsweredMeanwhile as meanwhile:
        return show_conversation(
            request, conversation, form=form, picker=picker, newer=meanwhile.newer, status=422
        )
    except AlreadyTaken as taken:
        words = taken_words(conversation, taken.assignee, at)
        return show_conversation(request, conversation, form=form, picker=picker, taken=words, status=422)
    except actions.WantsNoAnswer:
        # The page shows the typed text again, and says why nobody can send an answer.
        conversation = conversation_for_page(request, conversation.public_id)
        return show_conversation(request, conversation, form=form, picker=picker, status=422)
    except actions.Erased:
        return redirect_to(request, conversation)
    if message.body != typed["body"]:
        # This composer has already sent an answer with a different text, for example in another tab.
        return show_conversation(
            request, conversation, form=form, picker=picker, asks="sent_otherwise", status=422
        )
    if button == NEXT:
        return _show_next(request, conversation, message)
    return show_message(request, conversation, sent_notice(button), anchor=f"#message-{message.public_id}")


def _show_next(request, conversation, message):
    """Redirect to the next conversation, or to the list if there is no next conversation.

    The page after the redirect has a button that takes the answer back.
    """
    url, list_url = next_after(request, conversation)
    words = _("Answer sent in “%(conversation)s”.")
    if not url:
        words = _(
            "Answer sent in “%(conversation)s”. That was the last conversation in this list that you can "
            "answer."
        )
    undo = f"undo={undo_answer_url(request, message)}"
    messages.success(request, words % {"conversation": conversation}, extra_tags=undo)
    return HttpResponseClientRedirect(url or list_url) if request.htmx else redirect(url or list_url)


def _contact(request, conversation, at):
    return contact_of(conversation, request.user, request.library, at, shared_desk=request.shared_desk)


def _count(request, conversation, action):
    """Count the closed conversation as a contact."""
    at = timezone.now()
    try:
        desk_actions.log_as_contact(
            conversation, by=request.user, at=at, **_contact(request, conversation, at)
        )
    except desk_actions.AlreadyLogged:
        return _show_notice(request, conversation, _("This conversation is already counted as a contact."))
    except actions.Erased:
        return redirect_to(request, conversation)
    return _show_notice(request, conversation, _("Counted as a contact."))


def _decline_to_count(request, conversation, action):
    """Record that the closed conversation was not a contact, so that the page doesn't ask again."""
    try:
        desk_actions.decline_to_count(conversation, by=request.user, at=timezone.now())
    except actions.Erased:
        return redirect_to(request, conversation)
    return _show_notice(request, conversation, _("Not counted as a contact."))


def _show_notice(request, conversation, words):
    """Show the conversation with the text `words`. The composer keeps the typed answer."""
    if not request.POST.get("body", "").strip():
        return show_message(request, conversation, words)
    conversation = conversation_for_page(request, conversation.public_id)
    picker, typed = ItemPicker(request.POST, by=request.user), request.POST.dict()
    return show_conversation(request, conversation, form=ReplyForm(), picker=picker, typed=typed, says=words)


def _ask_to_discard(request, conversation, action):
    form, picker = ReplyForm(request.POST), ItemPicker(request.POST, by=request.user)
    return show_conversation(request, conversation, form=form, picker=picker, asks="discard")


def _discard(request, conversation, action):
    """Delete the draft and the files that were added to it."""
    drafts.discard(
        conversation,
        person=request.user,
        side=Side.STAFF,
        kind=Draft.Kind.REPLY,
        client_token=uuid_or_none(request.POST.get("client_token")),
    )
    return show_message(request, conversation, _("Draft discarded."))


def _offer_templates(request, conversation, action):
    """Show the reply templates in the composer, for browsers without JavaScript."""
    _add_files_without_script(request, conversation)
    return _with_templates(request, conversation, request.POST.dict())


def _insert_template(request, conversation, action):
    """Append the chosen template to the text that was typed, for browsers without JavaScript."""
    _add_files_without_script(request, conversation)
    typed = request.POST.dict()
    template = templates.chosen_in(conversation, action.removeprefix("template-"), by=request.user)
    if template is None:
        return _with_templates(request, conversation, typed)
    written = typed.get("body", "").rstrip()
    if written:
        typed |= {"body": f"{written}\n\n{template.text}"}
    else:
        typed |= {"body": template.text, "language": template.language}
    return show_conversation(
        request, conversation, form=ReplyForm(), picker=ItemPicker(request.POST, by=request.user), typed=typed
    )


def _with_templates(request, conversation, typed):
    return show_conversation(
        request,
        conversation,
        form=ReplyForm(),
        picker=ItemPicker(request.POST, by=request.user),
        typed=typed,
        templates=templates.offered_in(conversation, by=request.user),
    )


def _change_items(request, conversation, action):
    """Change the chosen items or search for items, depending on the pressed button of the item picker.

    If an unknown button was pressed, only show the composer again.
    """
    _add_files_without_script(request, conversation)
    picker = ItemPicker(request.POST, by=request.user)
    picker.change(action, by=request.user)
    if request.htmx and action.startswith((*ITEM_ACTIONS, *ITEM_PREFIXES)):
        context = items_context(picker, conversation.branch, request.path_info)
        return render(request, "desk/items.html", context)
    return show_conversation(request, conversation, form=ReplyForm(request.POST), picker=picker)


REPLY_ACTIONS = {
    **dict.fromkeys([*SEND_BUTTONS, "send_anyway"], _send),
    "count": _count,
    "count_no": _decline_to_count,
    "discard": _ask_to_discard,
    "discard_now": _discard,
    "templates": _offer_templates,
    "template": _insert_template,
}


def _add_files_without_script(request, conversation):
    """Add files that were posted with a button other than "Send".

    Only browsers without JavaScript post such files. Other browsers upload each file as soon as staff choose
    it.
    """
    if request.FILES:
        _add_files(request, conversation)


def _add_files(request, conversation):
    """Add the posted files and their descriptions to the composer, and return the files that were refused."""
    token = uuid_or_none(request.POST.get("client_token"))
    if token is None or conversation.status == Conversation.Status.ERASED:
        return []
    added, refused = attaching.add_posted_files(
        request, conversation, by=request.user, side=Side.STAFF, client_token=token
    )
    conversation.has_files = conversation.has_files or bool(added)
    return refused


@staff_only
@require_POST
def desk_draft(request, public_id):
    """Save the text in the composer or the note form, even if cover for the branch has just ended."""
    try:
        conversation = conversation_for_page(request, public_id)
    except Http404:
        conversation = opened_under_cover(request, public_id)
        if conversation is None:
            raise
    return drafting.keep(
        request,
        conversation,
        DraftForm(request.POST),
        person=request.user,
        side=Side.STAFF,
        typed=composer_extras(request.POST),
    )


@staff_only
@require_POST
@unless_gone
def desk_take_back(request, public_id):
    """Take back a pending answer, and put its text back into the composer.

    If the composer already contains a new text, the new text comes after the answer.
    """
    conversation = conversation_for_page(request, public_id)
    message_id = uuid_or_none(request.POST.get("message") or request.GET.get("message"))
    message = conversation.messages.filter(public_id=message_id).first()
    if conversation.status == Conversation.Status.ERASED:
        return redirect_to(request, conversation)
    save_typed(request, conversation, timezone.now())
    try:
        if message is None:
            raise taking_back.TooLate
        given = Recommendation.objects.filter(messagerecommendation__message=message)
        given = given.select_related("item").order_by("messagerecommendation__position")
        typed = fields_of(given, and_then=composer_extras(request.POST)) | {"then": message.then}
        # Saving the typed text may have waited for the conversation's lock, so read the time again.
        taking_back.take_back(message, by=request.user, at=timezone.now(), typed=typed)
    except (taking_back.TooLate, actions.Erased):
        words = _("It's too late to take this answer back. The patron may have read it.")
        return show_message(request, conversation, words, level=messages.WARNING)
    return show_message(request, conversation, _("Answer taken back. The patron didn't see it."))


@staff_only
@require_POST
@unless_gone
def desk_close(request, public_id):
    """Close the conversation without an answer."""
    conversation = conversation_for_page(request, public_id)
    try:
        actions.close(conversation, by=request.user, side=Side.STAFF, at=timezone.now())
    except actions.Erased:
        return redirect_to(request, conversation)
    words = _("Conversation closed. It opens again when someone writes.")
    if request.htmx:
        return show_message(request, conversation, words)
    conversation.refresh_from_db(fields=["changed_at"])
    messages.info(request, words, extra_tags=undo_tag(request.user, conversation))
    return redirect_to(request, conversation)
