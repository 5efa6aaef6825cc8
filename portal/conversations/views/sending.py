"""What asking and the readers' form have in common: where the answer goes, sending, and going on from what another tab did."""

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
    """The visits that this browser opened by code, the one opened last first."""
    claims = request.session.get(OPENED_CODES, [])
    if not claims or not request.viewer.opened_by_code:
        return []
    opened = dict(ClaimCode.objects.filter(pk__in=claims).values_list("help_session", "pk"))
    visits = HelpSession.objects.belonging_to(request.viewer).filter(pk__in=request.viewer.opened_by_code)
    return sorted(visits, key=lambda visit: claims.index(opened[visit.pk]), reverse=True)


def about_form(request):
    """On the page before sending. Where something new is asked it must be known who asks."""
    form = AboutForm(
        request.POST if request.method == "POST" else None,
        visits=opened_visits(request),
        person=request.viewer.person,
    )
    if form.is_bound and form.visits and form.is_valid() and not request.viewer.person and not form.visit:
        form.add_error("about", _("For something new, write your e-mail address below."))
    return form


def is_ready(request, form):
    """Whether it can be sent now: asked for, and known where the answer goes."""
    return request.method == "POST" and form.is_valid() and bool(request.viewer.person or form.visit)


def send(request, *, visit, client_token, body, **more):
    """Send it and lead to its conversation. The same token twice is one question. Raises limits.TooOften."""
    sent = sent_before(request, client_token)
    if sent is not None and not sent.messages.filter(client_token=client_token, body=body).exists():
        client_token = uuid.uuid5(
            uuid.UUID(str(client_token)), body
        )  # other words, from another device: a question of their own
        sent = sent_before(request, client_token)
    if sent is None:
        limits.count_written(request, "question", visit)
        if visit is not None:
            more["branch"] = None  # that of the visit
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
    """Where to go from a button whose words are no longer those that wait: they were sent, changed or thrown away in another tab."""
    token = uuid_or_none(request.POST.get("client_token"))
    sent = sent_before(request, token) if token else None
    if sent is not None:
        return redirect(sent)
    if kept is None:
        return redirect(begin)
    messages.warning(request, _("You changed this in another tab. Here it is as it would be sent now."))
    return redirect(review)


def too_many(page, request, form, wait, **context):
    """The page again, with the words on it and when they can be sent."""
    form.add_error(None, wait.words_for_writer)
    return page(request, form, status=429, **context)


def sign_in_context(request, form, going_to):
    """What conversations/ask_proof.html needs; `going_to` is the page to which an address or a code leads back."""
    quiet = any(visit.quiet for visit in form.visits.values())
    if request.viewer.person:
        return {"quiet": quiet}
    forms = {"address_form": AddressForm(request=request), "code_form": CodeForm()}
    return {"quiet": quiet, **forms, **other_methods(), "going_to": reverse(going_to)}


def take_in_files(request, asked, client_token):
    """The files that came with the question, into its message. What can't be taken is said: the words are sent all the same."""
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
    """The conversation of this reader's in which what was sent with this token stands, or None."""
    return (
        Conversation.objects.belonging_to(request.viewer).filter(messages__client_token=client_token).first()
    )
