"""Sending a question, for the page to ask and for the readers' form."""

import uuid

from django.contrib import messages
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from accounts.forms.sign_in import AddressForm
from accounts.sign_in.methods import other_methods
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
    """Return the visits that this browser opened by code, the last opened first."""
    claims = request.session.get(OPENED_CODES, [])
    if not claims or not request.viewer.opened_by_code:
        return []
    opened = dict(ClaimCode.objects.filter(pk__in=claims).values_list("help_session", "pk"))
    visits = HelpSession.objects.belonging_to(request.viewer).filter(pk__in=request.viewer.opened_by_code)
    return sorted(visits, key=lambda visit: claims.index(opened[visit.pk]), reverse=True)


def about_form(request):
    """Return the form on the page before sending, which asks what the question is about."""
    form = AboutForm(
        request.POST if request.method == "POST" else None,
        visits=opened_visits(request),
        person=request.viewer.person,
    )
    if form.is_bound and form.visits and form.is_valid() and not request.viewer.person and not form.visit:
        form.add_error("about", _("To ask about something new, enter your email address below."))
    return form


def is_ready(request, form):
    """Return whether the question can be sent now, because the library knows where to send the answer."""
    return request.method == "POST" and form.is_valid() and bool(request.viewer.person or form.visit)


def send(request, *, visit, client_token, body, **more):
    """Send the question, if its token wasn't sent before, and redirect to its conversation.

    `more` are further arguments of actions.ask. Raises limits.TooOften.
    """
    sent = sent_before(request, client_token)
    if sent is not None and not sent.messages.filter(client_token=client_token, body=body).exists():
        # Another device sent other words with this token, so these words are a question of their own.
        client_token = uuid.uuid5(uuid.UUID(str(client_token)), body)
        sent = sent_before(request, client_token)
    if sent is None:
        limits.count_written(request, "question", visit)
        if visit is not None:
            # The branch of the visit answers.
            more["branch"] = None
        sent = actions.ask(
            by=request.viewer.person,
            at=timezone.now(),
            language=get_language(),
            help_session=visit,
            body=body,
            client_token=client_token,
            **more,
        )
        take_in_files(request, sent, client_token)
        messages.success(request, _("Sent. The answer will appear here."))
    return redirect(sent)


def sent_elsewhere(request, kept, begin, review):
    """Redirect from a button whose question was sent, changed or discarded in another tab.

    `begin` and `review` name the page to write it and the page to check it.
    """
    token = uuid_or_none(request.POST.get("client_token"))
    sent = sent_before(request, token) if token else None
    if sent is not None:
        return redirect(sent)
    if kept is None:
        return redirect(begin)
    messages.warning(request, _("You changed this in another tab. This is the latest version."))
    return redirect(review)


def too_many(page, request, form, wait, **context):
    """Show the page again with its text, and say when the person can try again."""
    form.add_error(None, wait.words_for_writer)
    return page(request, form, status=429, **context)


def sign_in_context(request, form, going_to):
    """Return the context for conversations/ask_proof.html.

    `going_to` is the name of the page to which signing in or typing a code leads back.
    """
    quiet = any(visit.quiet for visit in form.visits.values())
    if request.viewer.person:
        return {"quiet": quiet}
    forms = {"address_form": AddressForm(request=request), "code_form": CodeForm()}
    return {"quiet": quiet, **forms, **other_methods(), "going_to": reverse(going_to)}


def take_in_files(request, asked, client_token):
    """Add the files of the form to the sent question, and tell the person which could not be added."""
    _added, refused = attaching.take_in(
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
