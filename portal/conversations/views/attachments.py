"""Add, remove and open the files of a patron's conversation."""

from contextlib import suppress

from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.utils.translation import get_language
from django.views.decorators.http import require_POST, require_safe

from accounts.sign_in.access import sign_in_to_open
from accounts.sign_in.unsent import shows_unsent_text
from portal.conversations import changes, drafts
from portal.conversations.forms import AttachForm
from portal.conversations.models import Conversation, Draft, Side
from portal.conversations.views import attaching


@sign_in_to_open(Conversation)
@shows_unsent_text("conversation")
@require_POST
def attach(request, public_id):
    """Add files to the patron's composer, or remove a file from it."""
    conversation, person = _find(request, public_id)
    form = AttachForm(request.POST)

    def keep_typed():
        with suppress(drafts.NewerDraft, drafts.AlreadySent):
            drafts.save_draft(
                conversation,
                person=person,
                side=Side.PATRON,
                kind=Draft.Kind.REPLY,
                language=get_language(),
                at=timezone.now(),
                **form.as_draft(),
            )

    back = f"{conversation.get_absolute_url()}#write"
    return attaching.change_composer(
        request,
        conversation,
        form,
        by=person,
        side=Side.PATRON,
        route="attachment",
        keep_typed=keep_typed,
        back=back,
    )


@sign_in_to_open(Conversation)
@require_safe
def attachment(request, public_id, file_id):
    """Return a file that the viewer may open."""
    conversation, person = _find(request, public_id)
    open_to_them = conversation.attachments.open_to_patron(person, timezone.now())
    return attaching.served(request, get_object_or_404(open_to_them, public_id=file_id))


def _find(request, public_id):
    """Return (conversation, person). If the conversation was merged, return the remaining conversation.

    `person` is the result of `writer_in`: the person to store as the owner of the files that this viewer
    adds.
    """
    visible = Conversation.objects.belonging_to(request.viewer)
    conversation = get_object_or_404(visible, public_id=public_id)
    if conversation.merged_into_id:
        conversation = get_object_or_404(visible, pk=conversation.merged_into_id)
    return conversation, changes.writer_in(conversation, request.viewer.person, Side.PATRON)
