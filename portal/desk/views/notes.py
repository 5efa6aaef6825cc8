"""Notes that staff write for colleagues about a conversation."""

from django.contrib import messages
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from accounts.refused_form import puts_text_back
from accounts.sign_in.access import staff_only
from portal.conversations import notes
from portal.desk.composer import put_text_back
from portal.desk.conversation_lookup import conversation_for_action
from portal.desk.conversation_messages import noted_words
from portal.desk.forms.conversations import NoteForm
from portal.desk.queue_navigation import conversation_url

from .action_responses import unless_gone


@puts_text_back(put_text_back)
@staff_only
@require_POST
@unless_gone
def desk_note(request, public_id):
    """Save a note. If the note mentions an unknown name, ask whether to save the note anyway."""
    conversation, at = conversation_for_action(request, public_id), timezone.now()
    form = NoteForm(request.POST)
    unknown = notes.unknown_names(form.cleaned_data["body"], conversation) if form.is_valid() else []
    if form.errors or (unknown and not form.cleaned_data["warned"]):
        context = {
            "conversation": conversation,
            "form": form,
            "unknown": unknown,
            "people": _colleagues(request, conversation),
        }
        return render(request, "desk/note.html", context, status=422)
    note = notes.write_note(
        conversation,
        by=request.user,
        at=at,
        body=form.cleaned_data["body"],
        client_token=form.cleaned_data["client_token"],
    )
    messages.info(request, noted_words(note))
    return redirect(f"{conversation_url(request, conversation)}#note-{note.public_id}")


@staff_only
@require_GET
@unless_gone
def desk_colleagues(request, public_id):
    """List the colleagues that a staff member can mention with @ in a note."""
    conversation = conversation_for_action(request, public_id)
    return render(request, "desk/colleagues.html", {"people": _colleagues(request, conversation)})


def _colleagues(request, conversation):
    return [person for person in notes.may_be_mentioned(conversation) if person != request.user]
