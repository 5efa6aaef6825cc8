"""Ask the library: again about a session or one of its items."""

import uuid

from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import get_language
from django.views.decorators.http import require_http_methods

from portal.conversations import actions
from portal.conversations.forms import MessageForm
from portal.conversations.models import Conversation
from portal.helpsessions.models import HelpSession
from portal.htmx import render_page
from recommendations.models import Recommendation


@require_http_methods(["GET", "HEAD", "POST"])
def ask_about_session(request, public_id):
    about = get_object_or_404(HelpSession.objects.belonging_to(request.reader).select_related("branch"), public_id=public_id)
    return _ask(request, {"help_session": about}, title=about.title, quiet=about.quiet, kept_by=about.patron_id, back=about.get_absolute_url())


@require_http_methods(["GET", "HEAD", "POST"])
def ask_about_item(request, public_id):
    about = get_object_or_404(Recommendation.objects.belonging_to(request.reader).select_related("item"), public_id=public_id)
    thread = Conversation.objects.belonging_to(request.reader).filter(recommendation=about).first()
    if thread is not None and request.method != "POST":
        return redirect(f"{thread.get_absolute_url()}#write")
    session = request.reader.session_of(about)
    quiet = session is not None and session.quiet
    return _ask(request, {"recommendation": about}, title=about.item.title, quiet=quiet, kept_by=about.patron_id, back=reverse("verdict", args=[public_id]))


def _ask(request, about, *, title, quiet, kept_by, back):
    form = MessageForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        said = {name: form.cleaned_data[name] for name in ("body", "client_token")}
        asked = actions.ask(by=request.reader.person, at=timezone.now(), language=get_language(), **about, **said)
        return redirect(f"{asked.get_absolute_url()}#latest")
    person = request.reader.person
    mailed = bool(person and person.email and person.pk == kept_by)  # nobody is mailed about a visit that carries no name
    token = (form.is_bound and form.cleaned_data.get("client_token")) or uuid.uuid4()
    context = {"form": form, "about": title, "quiet": quiet, "mailed": mailed, "token": token, "back": back}
    return render_page(request, "conversations/ask.html", context, status=422 if form.errors else 200)
