"""Views that add files to an answer, remove files, and open the files and emails of a conversation."""

from contextlib import suppress

from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from accounts.sign_in.access import staff_only
from portal.conversations import drafts
from portal.conversations.forms import AttachForm
from portal.conversations.models import Draft, Side
from portal.conversations.views import attaching
from portal.desk.access_log import log_opened
from portal.desk.conversation_lookup import conversation_at_desk
from portal.desk.forms.replies import composer_extras
from portal.desk.shown_today import ids
from portal.incoming.models import IncomingEmail
from portal.incoming.views.originals import original_response


@staff_only
@require_POST
def desk_attach(request, public_id):
    """Add a file to the composer, or remove a file from it. Also save the text in the composer as a draft."""
    conversation, form = conversation_at_desk(request, public_id, "patron"), AttachForm(request.POST)

    def save_typed():
        with suppress(drafts.NewerDraft, drafts.AlreadySent):
            drafts.save_draft(
                conversation,
                person=request.user,
                side=Side.STAFF,
                kind=Draft.Kind.REPLY,
                at=timezone.now(),
                language=request.POST.get("language", "")[:12],
                typed=composer_extras(request.POST),
                **form.as_draft(),
            )

    return attaching.change_composer(
        request,
        conversation,
        form,
        by=request.user,
        side=Side.STAFF,
        route="desk_attachment",
        keep_typed=save_typed,
        back=reverse("desk_conversation", args=[conversation.public_id]) + "#id_body",
    )


@staff_only
@require_safe
def desk_attachment(request, public_id, file_id):
    """Return a file of the conversation.

    Log that the staff member opened the conversation. Skip this for a preview, because the page that shows
    the preview has already logged it.
    """
    conversation = conversation_at_desk(request, public_id, "patron")
    attachment = get_object_or_404(conversation.attachments.open_to_staff(request.user), public_id=file_id)
    if not attaching.is_preview(request, attachment):
        log_opened(request, conversation, at=timezone.now())
    return attaching.served(request, attachment)


@staff_only
@require_safe
def desk_original_email(request, public_id, file_id):
    """Return the email file that a message was made from. `file_id` is the public id of the message.

    Log that the staff member opened the conversation.
    """
    conversation = conversation_at_desk(request, public_id, "patron")
    emails = IncomingEmail.objects.at_desk_of(request.user, ids(request))
    email = get_object_or_404(emails, message__public_id=file_id, message__conversation=conversation)
    log_opened(request, conversation, at=timezone.now())
    return original_response(email)
