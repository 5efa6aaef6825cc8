"""The pages where people ask the library about something new, about a visit, or about a recommended item.

The portal sends a question immediately in two cases: the person is signed in, or the question is about a
visit that this browser opened by code. In all other cases, people write the question first, and then sign in
or type a code. Until then, the browser session stores the question (pending_questions.py).

Signing in alone doesn't send the question, because someone else may have written it on a shared device. The
person sends the question on a page that shows the question, with a button or with the emailed code
(code_pages.py).
"""

import uuid
from contextlib import suppress
from functools import partial

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from accounts.hours import promise_in_words
from accounts.models import Branch
from accounts.sign_in.access import sign_in_to_open
from accounts.sign_in.code_page import has_code_page
from accounts.sign_in.library_cards import home_branch_of
from accounts.sign_in.unsent import shows_unsent_text, unsent_form
from portal import limits
from portal.conversations import actions, drafts, more_items, pending_questions
from portal.conversations.forms import AboutForm, AskForm, DraftForm, MessageForm
from portal.conversations.models import Conversation, Draft, Message
from portal.conversations.viewer import OPENED_CODES
from portal.conversations.views import drafting
from portal.conversations.views.sending import (
    about_form,
    add_files_to_question,
    add_visit_deleted,
    ask_for_code,
    is_ready,
    opened_visits,
    send,
    sent_before,
    sent_elsewhere,
    sign_in_context,
    too_many,
)
from portal.helpsessions.models import HelpSession
from portal.helpsessions.recommendation_panels import WISHES
from portal.htmx import render_page
from portal.limits import TooOften
from recommendations.models import Recommendation, Topic

# The fields that a draft saves in addition to the text.
TYPED = ("topic", "branch")
ASK = {"side": Message.Side.PATRON, "kind": Draft.Kind.ASK}


@shows_unsent_text(for_everybody=True)
@require_http_methods(["GET", "HEAD", "POST"])
def ask(request):
    """Show the question form on GET. Send the question on POST, or store it until the person signs in."""
    visits = opened_visits(request)
    if request.method != "POST":
        unsent = unsent_form(request)
        form = AskForm(initial=_begun(request, unsent), visits=visits, person=request.viewer.person)
        return _ask_page(request, form, unsent=unsent)
    form = AskForm(request.POST, visits=visits, person=request.viewer.person)
    if not form.is_valid() or _was_about_a_closed_visit(request, form):
        return _ask_page(request, form, status=422)
    if request.viewer.person or form.visit:
        return _send_at_once(request, form)
    return _keep_until_signed_in(request, form)


def _was_about_a_closed_visit(request, form):
    """Return whether the question is about a visit that this browser may no longer open.

    If so, also add an error to the form. Nothing about such a visit may be stored.
    """
    about = request.POST.get("about", AboutForm.NEW)
    if about == AboutForm.NEW or form.visit:
        return False
    form.add_error(
        None,
        _(
            "The code of this visit no longer works, so your question was not sent. You can send it as a new "
            "question."
        ),
    )
    return True


def _keep_until_signed_in(request, form):
    """Store the question in the browser session, and redirect to the page that sends it.

    `none_of` is stored too. It has the primary keys of the codes that this browser has opened so far. The
    person could have asked about the visits with these codes, and chose not to.
    """
    typed = form.cleaned_data
    composer, waiting = (
        str(typed["client_token"]),
        pending_questions.get(request, pending_questions.QUESTION),
    )
    if waiting and waiting["composer"] != composer and "instead" not in request.POST:
        return _ask_page(request, form, waiting=waiting["body"], status=409)
    try:
        pending_questions.keep(
            request,
            pending_questions.QUESTION,
            body=typed["body"],
            composer=composer,
            none_of=request.session.get(OPENED_CODES, []),
            topic=typed["topic"] and typed["topic"].pk,
            branch=typed["branch"] and typed["branch"].pk,
        )
    except TooOften as wait:
        return too_many(_ask_page, request, form, wait)
    if request.FILES:
        messages.warning(request, _("Your files were not saved. Add them after you have sent the question."))
    return redirect("send_question")


def _send_at_once(request, form):
    """Send the question. If the browser session stores the same question, remove it from the session."""
    typed = form.cleaned_data
    try:
        answer = send(
            request,
            visit=form.visit,
            **{name: typed[name] for name in ("body", "client_token", "topic", "branch")},
        )
    except TooOften as wait:
        if form.visit is None:
            _keep_draft(request, typed)
        return too_many(_ask_page, request, form, wait)
    except actions.Erased:
        add_visit_deleted(form)
        return _ask_page(request, form, status=409)
    kept = pending_questions.get(request, pending_questions.QUESTION)
    if kept and kept["composer"] == str(typed["client_token"]):
        pending_questions.forget(request, pending_questions.QUESTION)
    return answer


def _keep_draft(request, typed):
    """Save the question as a draft if the person is signed in."""
    person = request.viewer.person
    with suppress(drafts.NewerDraft, drafts.AlreadySent):
        if person is not None:
            words = {name: typed[name] for name in ("body", "client_token")} | {
                "language": get_language(),
                "typed": _typed_beside(request),
            }
            drafts.save_draft(
                None, person=person, **ASK, sequence=(typed["sequence"] or 0) + 1, at=timezone.now(), **words
            )


def _typed_beside(request):
    """Return {name: posted value} of the fields in TYPED. The values are not validated."""
    return {name: request.POST[name][:40] for name in TYPED if name in request.POST}


@require_POST
def ask_draft(request):
    """Save the question of a signed-in person while they type.

    A question about a visit that was opened by code is not saved, because a draft would link the visit to the
    person's name.
    """
    about_a_visit = request.POST.get("about", AboutForm.NEW) != AboutForm.NEW
    if request.viewer.person is None or about_a_visit:
        return HttpResponse(status=422)
    return drafting.keep(
        request,
        None,
        DraftForm(request.POST),
        person=request.viewer.person,
        **ASK,
        language=get_language(),
        typed=_typed_beside(request),
    )


@shows_unsent_text("ask", for_everybody=True)
@has_code_page("send_question_code")
@require_http_methods(["GET", "HEAD", "POST"])
def send_question(request):
    """Show the stored question with a button that sends it. Send it on POST."""
    kept = pending_questions.get(request, pending_questions.QUESTION)
    if request.method == "POST" and kept is None and not request.viewer and "body" in request.POST:
        # The browser session with the stored question has ended, but the hidden fields contain the question.
        return ask(request)
    if request.method == "POST" and (
        kept is None or request.POST.get("client_token") != kept["client_token"]
    ):
        return sent_elsewhere(request, kept, "ask", "send_question")
    if kept is None:
        return redirect("ask")
    form = about_form(request)
    page = partial(_send_page, request, form, kept=kept, status=422)
    if code := ask_for_code(request, reverse("send_question"), page):
        return code
    if is_ready(request, form):
        try:
            answer = send(request, visit=form.visit, **question_of(kept))
        except TooOften as wait:
            return too_many(_send_page, request, form, wait, kept=kept)
        except actions.Erased:
            add_visit_deleted(form)
            return _send_page(request, form, kept=kept, status=409)
        pending_questions.forget(request, pending_questions.QUESTION)
        return answer
    return _send_page(request, form, kept=kept, status=422 if form.errors else 200)


def question_of(kept):
    """Return the arguments that `send` needs to send the stored question."""
    return {
        "body": kept["body"],
        "client_token": kept["client_token"],
        "topic": Topic.objects.filter(pk=kept["topic"]).first(),
        "branch": Branch.objects.filter(pk=kept["branch"]).first(),
    }


@sign_in_to_open(HelpSession)
@shows_unsent_text()
@require_http_methods(["GET", "HEAD", "POST"])
def ask_about_session(request, public_id):
    about = get_object_or_404(
        HelpSession.objects.belonging_to(request.viewer).select_related("branch"), public_id=public_id
    )
    return _ask_about(
        request,
        {"help_session": about},
        title=about.title,
        quiet=about.quiet,
        kept_by=[about.patron_id, about.shared_with_id],
        back=about.get_absolute_url(),
    )


@sign_in_to_open(Recommendation)
@shows_unsent_text()
@require_http_methods(["GET", "HEAD", "POST"])
def ask_about_item(request, public_id):
    """Ask about a recommended item. On GET, redirect to the conversation about the item if there is one.

    With `?for=more` or `?for=other`, the form suggests a question to the helper: for more items like this
    one, or for a different one. For an item of a quiet visit, `for` is ignored.
    """
    about = get_object_or_404(
        Recommendation.objects.belonging_to(request.viewer).select_related("item"), public_id=public_id
    )
    conversation = Conversation.objects.belonging_to(request.viewer).filter(recommendation=about).first()
    session = request.viewer.session_of(about)
    quiet = session is not None and session.quiet
    wish = None if quiet else WISHES.get(request.GET.get("for", ""))
    if conversation is not None and request.method != "POST" and not wish and not unsent_form(request):
        return redirect(f"{conversation.get_absolute_url()}#write")
    return _ask_about(
        request,
        {"recommendation": about},
        title=about.item.title,
        quiet=quiet,
        kept_by=[about.patron_id, session and session.shared_with_id],
        back=reverse("recommendations") if wish else reverse("verdict", args=[public_id]),
        begun=wish % {"title": about.item.title} if wish else "",
        for_helper=bool(wish),
    )


def _begun(request, unsent):
    """Return the initial values of the question form.

    The values come from the first of these that exists: `unsent` (the form that was refused before the person
    signed in), the question in the browser session, or the person's draft.
    """
    person = request.viewer.person
    begun = {"branch": (person and home_branch_of(person)) or request.library.default_branch_id}
    kept = pending_questions.get(request, pending_questions.QUESTION)
    if kept and not unsent:
        return {
            **begun,
            **{name: kept[name] for name in ("body", "topic", "branch") if kept[name]},
            "client_token": kept["composer"],
        }
    if person is None:
        return begun
    draft = drafts.draft_of(None, person=person, **ASK)
    begun |= draft.typed
    body, token = draft.body, draft.client_token
    if unsent:
        begun |= {name: unsent.typed[name] for name in TYPED if unsent.typed.get(name)}
        body, token = drafts.with_unsent_text(draft, unsent)
    return {**begun, "body": body, "client_token": token, "sequence": draft.sequence}


def _ask_page(request, form, *, waiting="", unsent=None, status=200):
    """Show the page with the question form.

    `waiting` is the text of a question that the browser session stores from a different form, or "". The page
    warns that the new question replaces this text.
    """
    person = request.viewer.person
    composer = form.cleaned_data if form.is_bound else form.initial
    context = {
        "form": form,
        "token": composer.get("client_token") or uuid.uuid4(),
        "sequence": composer.get("sequence") or 0,
        "waiting": waiting,
        "unsent": unsent,
        "keeps_draft": person is not None and not form.visits,
        "promise": promise_in_words(request.library.default_branch) if request.library.default_branch else "",
        "mailed": bool(person and person.email) and not form.visits,
        "quiet": any(visit.quiet for visit in form.visits.values()),
        "more_branches": form.fields["branch"].queryset.count() > 1,
    }
    return render(request, "conversations/ask_new.html", context, status=status)


def _send_page(request, form, address_form=None, *, kept, status=200):
    is_new = not request.viewer.person and kept["none_of"] == request.session.get(OPENED_CODES, [])
    context = {
        "form": form,
        "kept": kept,
        "hidden": {name: kept[name] for name in ("body", "topic", "branch")},
        "can_send": bool(request.viewer) and not is_new,
        **sign_in_context(request, form, "send_question", address_form),
    }
    return render(request, "conversations/ask_send.html", context, status=status)


def _ask_about(request, about, *, begun="", for_helper=False, **shown):
    """Show the question form on GET, and send the question on POST.

    `begun` is the text that the form has at first. If `for_helper` is true, the question goes to the helper.
    `shown` are further arguments for `_about_page`.
    """
    shown["for_helper"] = for_helper
    unsent = unsent_form(request) if request.method != "POST" else None
    form = MessageForm(request.POST or None, initial=unsent.typed if unsent else {"body": begun})
    if request.method == "POST" and form.is_valid():
        try:
            return _send_about(request, about, for_helper=for_helper, **form.cleaned_data)
        except TooOften as wait:
            return too_many(_about_page, request, form, wait, **shown)
        except actions.Erased:
            form.add_error(
                None,
                _(
                    "This visit or item was just deleted, so your question was not sent. "
                    "Copy your question to “Ask the library” and send it there."
                ),
            )
            return _about_page(request, form, **shown, status=409)
    return _about_page(request, form, **shown, unsent=unsent, status=422 if form.errors else 200)


def _send_about(request, about, *, for_helper, body, client_token):
    session = about.get("help_session")
    if sent_before(request, client_token) is None:
        if session is not None:
            limits.count_written(request, "question", session)
        else:
            limits.count_written(request, "message", about["recommendation"])
    send_it = more_items.ask_for_another if for_helper else actions.ask
    asked = send_it(
        by=request.viewer.person,
        at=timezone.now(),
        language=get_language(),
        body=body,
        client_token=client_token,
        **about,
    )
    add_files_to_question(request, asked, client_token)
    return redirect(f"{asked.get_absolute_url()}#latest")


def _about_page(request, form, *, title, quiet, kept_by, back, for_helper=False, unsent=None, status=200):
    person = request.viewer.person
    # The page says whether the answer will be emailed. The library emails answers only to people who have the
    # visit in their account.
    mailed = bool(person and person.email and person.pk in kept_by)
    typed = form.cleaned_data if form.is_bound else form.initial
    context = {
        "form": form,
        "about": title,
        "for_helper": for_helper,
        "quiet": quiet,
        "mailed": mailed,
        "token": typed.get("client_token") or uuid.uuid4(),
        "back": back,
        "unsent": unsent,
    }
    return render_page(request, "conversations/ask.html", context, status=status)
