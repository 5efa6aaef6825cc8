"""Delete a question or a reading request that was not sent, and undo the deletion."""

from django.contrib import messages
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from portal.conversations import pending_questions

SEND_PAGES = {pending_questions.QUESTION: "send_question", pending_questions.READING: "send_reading"}


@require_POST
def discard_question(request):
    """Delete the question that is stored in the browser session."""
    return _discard(request, pending_questions.QUESTION)


@require_POST
def discard_reading(request):
    """Delete the stored answers to *Find me something to read*, without sending them."""
    return _discard(request, pending_questions.READING)


@require_POST
def restore_discarded(request):
    """Restore the text that was deleted last, and show the page with the button that sends this text."""
    kind = pending_questions.restore(request)
    if kind is None:
        messages.warning(request, _("This can't be undone anymore."))
        return redirect("home")
    return redirect(SEND_PAGES[kind])


def _discard(request, kind):
    if pending_questions.discard(request, kind):
        words, undo = _("Deleted. Nothing was sent."), reverse("restore_discarded")
        messages.success(request, words, extra_tags=f"undo={undo}")
    return redirect("home")
