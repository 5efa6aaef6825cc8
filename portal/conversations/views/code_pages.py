"""The pages where a person types the emailed code. The right code also sends the stored question.

The page shows the question, because another person may have written the question on the same device.
"""

from django.contrib import messages
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from accounts.views.sign_in import code_page
from portal.conversations import pending_questions, readers_form
from portal.conversations.viewer import set_viewer
from portal.conversations.views.asking import question_of
from portal.conversations.views.reading import reading_request_of
from portal.conversations.views.sending import send, sent_elsewhere
from portal.limits import TooOften


@require_http_methods(["GET", "HEAD", "POST"])
def send_question_code(request):
    """Ask for the emailed code. The right code sends the question that the browser session stores."""
    kept = pending_questions.get(request, pending_questions.QUESTION)
    if kept is None:
        return redirect("send_question")
    return _page(
        request,
        kept,
        words=kept["body"],
        kind=pending_questions.QUESTION,
        pages=("ask", "send_question"),
        question=question_of(kept),
    )


@require_http_methods(["GET", "HEAD", "POST"])
def send_reading_code(request):
    """Ask for the emailed code. The right code sends the reading request that the browser session stores."""
    kept = pending_questions.get(request, pending_questions.READING)
    if readers_form.first_missing(kept):
        return redirect("send_reading")
    question = reading_request_of(kept, request.library)
    return _page(
        request,
        kept,
        words=question["body"],
        kind=pending_questions.READING,
        pages=("find_reading", "send_reading"),
        question=question,
    )


def _page(request, kept, *, words, kind, pages, question):
    """Show the page for the emailed code. After the right code, send the question.

    `pages` has the names of two pages: the page to write the question on, and the page with a button to send
    it.
    """
    write_page, send_page = pages

    def send_now():
        # The code was right, so the person is signed in now.
        set_viewer(request)
        if request.POST.get("client_token") != kept["client_token"]:
            return sent_elsewhere(request, kept, write_page, send_page)
        try:
            answer = send(request, visit=None, **question)
        except TooOften as wait:
            messages.error(request, wait.words_for_writer)
            return redirect(send_page)
        pending_questions.forget(request, kind)
        return answer

    return code_page(
        request,
        next_page=reverse(send_page),
        template="conversations/ask_code.html",
        context={"kept": kept, "words": words},
        then=send_now,
    )
