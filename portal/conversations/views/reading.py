"""The pages of the form *Find me something to read*.

Each of the five questions has its own page. The last page shows everything that the person filled in, and has
a Send button that begins a conversation. The browser session stores what was filled in
(pending_questions.py). So nothing is lost if the person returns to an earlier page, uses another tab or signs
in.
"""

from functools import partial

from django.forms import MultipleChoiceField
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from accounts.hours import promise_in_words
from accounts.sign_in.code_page import has_code_page
from accounts.sign_in.unsent import shows_unsent_text, unsent_form
from portal.conversations import actions, pending_questions, readers_form
from portal.conversations.readers_form import STEPS
from portal.conversations.views.sending import (
    about_form,
    add_visit_deleted,
    ask_for_code,
    is_ready,
    opened_visits,
    send,
    sent_elsewhere,
    sign_in_context,
    too_many,
)
from portal.limits import TooOften

ORDER = list(STEPS)


@shows_unsent_text(for_everybody=True)
@require_http_methods(["GET", "HEAD", "POST"])
def find_reading(request):
    """Show the question that `?step=` names, or save what the person filled in.

    After saving, redirect to the next question. If the URL has `?then=check`, redirect to the last page.
    """
    kept = pending_questions.get(request, pending_questions.READING)
    unsent = unsent_form(request) if request.method != "POST" else None
    carried = unsent.typed.get("answers", "") if unsent else request.POST.get("answers", "")
    answers = kept["answers"] if kept else readers_form.from_hidden(carried)
    step = request.GET.get("step", "")
    step = step if step in STEPS else ORDER[0]
    if request.method != "POST":
        initial = _typed_again(STEPS[step], unsent) if unsent else answers.get(step)
        return _step_page(request, step, STEPS[step](initial=initial), answers, unsent=unsent)
    form = STEPS[step](request.POST)
    back = "back" in request.POST
    if back:
        for field in form.fields.values():
            field.required = False
    if not form.is_valid():
        return _step_page(request, step, form, answers, status=422)
    try:
        pending_questions.keep(
            request, pending_questions.READING, answers={**answers, step: form.cleaned_data}
        )
    except TooOften as wait:
        return too_many(
            lambda request, form, status: _step_page(request, step, form, answers, status=status),
            request,
            form,
            wait,
        )
    if back:
        return redirect(_next_address(step, -1))
    if request.GET.get("then") == "check":
        return redirect("send_reading")
    return redirect(_next_address(step, 1))


@shows_unsent_text("find_reading", for_everybody=True)
@has_code_page("send_reading_code")
@require_http_methods(["GET", "HEAD", "POST"])
def send_reading(request):
    """Show everything that the person filled in, with a Send button. Send the filled-in form on POST."""
    kept = pending_questions.get(request, pending_questions.READING)
    if request.method == "POST" and kept is None and not request.viewer:
        # The browser session has ended, but the hidden field contains the answers.
        answers = readers_form.from_hidden(request.POST.get("answers", ""))
        if answers:
            pending_questions.keep(request, pending_questions.READING, answers=answers)
            return redirect("send_reading")
    if request.method == "POST" and (
        kept is None or request.POST.get("client_token") != kept["client_token"]
    ):
        return sent_elsewhere(request, kept, "find_reading", "send_reading")
    missing = readers_form.first_missing(kept)
    if missing:
        return redirect(_address(missing))
    form = about_form(request)
    page = partial(_send_page, request, form, kept=kept, status=422)
    if code := ask_for_code(request, reverse("send_reading"), page):
        return code
    if is_ready(request, form):
        try:
            answer = send(request, visit=form.visit, **reading_request_of(kept, request.library))
        except TooOften as wait:
            return too_many(_send_page, request, form, wait, kept=kept)
        except actions.Erased:
            add_visit_deleted(form)
            return _send_page(request, form, kept=kept, status=409)
        pending_questions.forget(request, pending_questions.READING)
        return answer
    return _send_page(request, form, kept=kept, status=422 if form.errors else 200)


def reading_request_of(kept, library):
    """Return the stored answers as arguments for `send`."""
    return {
        "body": readers_form.message_of(kept["answers"]),
        "client_token": kept["client_token"],
        "readers_form": readers_form.fields_of(kept["answers"], library.language),
    }


def _typed_again(form_class, unsent):
    """Return the initial values of a step's form: what the person typed in the refused form `unsent`."""
    many = {name for name, field in form_class.base_fields.items() if isinstance(field, MultipleChoiceField)}
    return {name: values if name in many else values[-1] for name, values in unsent.fields.items() if values}


def _step_page(request, step, form, answers, *, unsent=None, status=200):
    context = {
        "form": form,
        "answers": readers_form.to_hidden(answers) if answers else "",
        "unsent": unsent,
        "step": step,
        "number": ORDER.index(step) + 1,
        "of": len(ORDER),
        "first": step == ORDER[0],
        "then": request.GET.get("then") == "check",
        "quiet": any(visit.quiet for visit in opened_visits(request)),
    }
    return render(request, "conversations/read_step.html", context, status=status)


def _send_page(request, form, address_form=None, *, kept, status=200):
    words = readers_form.all_in_words(kept["answers"])
    branch = request.library.default_branch
    context = {
        "form": form,
        "kept": kept,
        "hidden": {"answers": readers_form.to_hidden(kept["answers"])},
        "answers": [
            (STEPS[step].summary, words[step], f"{_address(step)}&then=check", step) for step in ORDER
        ],
        "promise": promise_in_words(branch) if branch else "",
        "can_send": bool(request.viewer),
        **sign_in_context(request, form, "send_reading", address_form),
    }
    return render(request, "conversations/read_send.html", context, status=status)


def _address(step):
    return f"{reverse('find_reading')}?step={step}"


def _next_address(step, offset):
    """Return the address of the page that is `offset` pages after the question `step`.

    If `offset` is negative, return the address of an earlier question, or of the first question if there is
    none before it. The page after the last question is the last page of the form.
    """
    place = ORDER.index(step) + offset
    return _address(ORDER[max(place, 0)]) if place < len(ORDER) else reverse("send_reading")
