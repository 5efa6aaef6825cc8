"""Files in a conversation, at the desk: added to an answer, removed, opened."""

from contextlib import suppress

from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from accounts.sign_in.access import staff_only
from portal.conversations import drafts
from portal.conversations.forms import AttachForm
from portal.conversations.models import Conversation, Draft, Side
from portal.conversations.views import attaching
from portal.desk import shown_today
from portal.desk.access_log import log_opened
from portal.desk.forms import typed_beside


@staff_only
@require_POST
def desk_attach(request, public_id):
    conversation, form = _find(request, public_id), AttachForm(request.POST)

    def keep_typed():
        beside = {"language": request.POST.get("language", "")[:12], "typed": typed_beside(request.POST)}
        with suppress(drafts.NewerDraft, drafts.AlreadySent):
            drafts.save_draft(
                conversation,
                person=request.user,
                side=Side.STAFF,
                kind=Draft.Kind.REPLY,
                at=timezone.now(),
                **beside,
                **form.as_draft(),
            )

    back = reverse("desk_conversation", args=[conversation.public_id]) + "#reply-form"
    return attaching.change_composer(
        request,
        conversation,
        form,
        by=request.user,
        side=Side.STAFF,
        route="desk_attachment",
        keep_typed=keep_typed,
        back=back,
    )


@staff_only
@require_safe
def desk_attachment(request, public_id, file_id):
    """Opening a patron's file is opening their conversation: it is in the access log. The previews are part of the conversation's page, which is."""
    conversation = _find(request, public_id)
    attachment = get_object_or_404(conversation.attachments.open_to_staff(request.user), public_id=file_id)
    if not attaching.is_preview(request, attachment):
        log_opened(request, conversation, at=timezone.now())
    return attaching.served(request, attachment)


def _find(request, public_id):
    """The conversation, or the one that it was joined into."""
    mine = Conversation.objects.at_desk_of(request.user, shown_today.ids(request)).select_related("patron")
    conversation = get_object_or_404(mine, public_id=public_id)
    return (
        get_object_or_404(mine, pk=conversation.merged_into_id)
        if conversation.merged_into_id
        else conversation
    )
