"""Send a question that a person has written. The views of asking.py and reading.py share this code."""

import time
import uuid

from django.contrib import messages
from django.http import Http404
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from accounts.forms.sign_in import SignInForm
from accounts.sign_in.methods import other_methods
from accounts.views.sign_in import send_code_to
from portal import limits
from portal.conversations import actions
from portal.conversations.forms import AboutForm
from portal.conversations.models import Conversation, Message
from portal.conversations.viewer import OPENED_CODES
from portal.conversations.views import attaching
from portal.helpsessions.forms import CodeForm
from portal.helpsessions.models import ClaimCode, HelpSession
from portal.text import uuid_or_none


def opened_visits(request):
    """Return the visits that this browser opened by code. The visit that was opened last comes first."""
    claims = request.session.get(OPENED_CODES, [])
    if not claims or not request.viewer.opened_by_code:
        return []
    opened = dict(ClaimCode.objects.filter(pk__in=claims).values_list("help_session", "pk"))
    visits = HelpSession.objects.belonging_to(request.viewer).filter(pk__in=request.viewer.opened_by_code)
    return sorted(visits, key=lambda visit: claims.index(opened[visit.pk]), reverse=True)


def about_form(request):
    """Return the form for choosing what the question is about."""
    form = AboutForm(
        request.POST if request.method == "POST" and "email" not in request.POST else None,
        visits=opened_visits(request),
        person=request.viewer.person,
    )
    if form.is_bound and form.visits and form.is_valid() and not request.viewer.person and not form.visit:
        form.add_error("about", _("To ask about something new, enter your email address below."))
    return form


def ask_for_code(request, next_page, show_again):
    """If the person typed an address on this page, email a code and return a response. Otherwise return None.

    If the address is invalid, return the result of `show_again(form)`: the page with the error.
    """
    if request.method != "POST" or "email" not in request.POST or request.viewer.person:
        return None
    began, form = time.monotonic(), SignInForm(request.POST, request=request)
    return send_code_to(request, form, next_page, began=began) if form.is_valid() else show_again(form)


def add_visit_deleted(form):
    """Add an error to the form: the visit was deleted after the page was loaded."""
    form.add_error(
        None,
        _("This visit was just deleted, so your question was not sent. You can send it as a new question."),
    )


def is_ready(request, form):
    """Return whether the question can be sent now.

    The form must be posted and valid. The person must be signed in or have chosen a visit, so that the
    answer can reach them.
    """
    return request.method == "POST" and form.is_valid() and bool(request.viewer.person or form.visit)


def send(request, *, visit, client_token, body, **more):
    """Send the question, and redirect to its conversation. If it was sent before, only redirect.

    `more` has further arguments for actions.ask. Raises limits.TooOften, and actions.Erased if the visit has
    been erased. If the person was erased, the response is a 404.
    """
    sent = sent_before(request, client_token)
    if sent is not None and not sent.messages.filter(client_token=client_token, body=body).exists():
        # Another device sent a different question with this token, so this question gets a new token.
        client_token = uuid.uuid5(uuid.UUID(str(client_token)), body)
        sent = sent_before(request, client_token)
    if sent is None:
        limits.count_written(request, "question", visit)
        if visit is not None:
            # The branch of the visit answers the question, even if the person chose another branch.
            more["branch"] = None
        try:
            sent = actions.ask(
                by=request.viewer.person,
                at=timezone.now(),
                language=get_language(),
                help_session=visit,
                body=body,
                client_token=client_token,
                **more,
            )
        except actions.Erased:
            if visit is None:
                raise Http404 from None
            raise
        add_files_to_question(request, sent, client_token)
        messages.success(request, _("Sent. The answer will appear here."))
    return redirect(sent)


def sent_elsewhere(request, kept, begin, review):
    """Redirect to the right page if the question was sent, changed or discarded in another tab.

    `begin` is the name of the page where people write the question. `review` is the name of the page with the
    button that sends the question.
    """
    token = uuid_or_none(request.POST.get("client_token"))
    sent = sent_before(request, token) if token else None
    if sent is not None:
        return redirect(sent)
    if kept is None:
        return redirect(begin)
    messages.warning(request, _("You made changes in another tab. This is the latest version."))
    return redirect(review)


def too_many(page, request, form, wait, **context):
    """Show the page again with what the person typed, and tell them when they can try again."""
    form.add_error(None, wait.words_for_writer)
    return page(request, form, status=429, **context)


def sign_in_context(request, form, going_to, address_form=None):
    """Return the context for conversations/ask_proof.html.

    `going_to` is the name of the page that the person sees after they sign in or type a code. `address_form`
    is the SignInForm with errors, if the person typed an invalid address.
    """
    quiet = any(visit.quiet for visit in form.visits.values())
    if request.viewer.person:
        return {"quiet": quiet}
    forms = {
        "address_form": address_form or SignInForm(request=request),
        "code_form": CodeForm(),
        "form_error": address_form is not None,
    }
    return {"quiet": quiet, **forms, **other_methods(), "going_to": reverse(going_to)}


def add_files_to_question(request, asked, client_token):
    """Add the files in the form to the sent question, and tell the person which files could not be added."""
    _added, refused = attaching.add_posted_files(
        request,
        asked,
        by=request.viewer.person,
        side=Message.Side.PATRON,
        client_token=client_token,
        is_sent=True,
    )
    for error in refused:
        messages.error(
            request, _("%(name)s was not sent. %(why)s") % {"name": error.name, "why": error.words}
        )


def sent_before(request, client_token):
    """Return the viewer's conversation that has a message with this token, or None."""
    return (
        Conversation.objects.belonging_to(request.viewer).filter(messages__client_token=client_token).first()
    )
