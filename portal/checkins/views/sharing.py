"""The page "Share a few words": a patron shares a text about a visit with the staff member who helped."""

from django import forms
from django.contrib import messages
from django.http import Http404
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from accounts.sign_in.access import sign_in_to_open
from accounts.sign_in.unsent import shows_unsent_text, unsent_form
from portal.checkins import quotes
from portal.checkins.models import SharedWords
from portal.helpsessions.models import HelpSession
from portal.text import TextField


class SharedWordsForm(forms.Form):
    """The form for the text that a patron shares."""

    words = TextField(
        label=gettext_lazy("Your words"),
        max_length=quotes.MAX_LENGTH,
        multiline=True,
        error_messages={
            "required": gettext_lazy("Write your words first."),
            "max_length": gettext_lazy(
                "Use %(limit_value)s characters or fewer. You entered %(show_value)s."
            ),
        },
        widget=forms.Textarea(attrs={"rows": 4}),
    )


@sign_in_to_open(HelpSession)
@shows_unsent_text()
@require_http_methods(["GET", "HEAD", "POST"])
def share_words(request, public_id):
    """Show the form, with the text that the patron shares now.

    A POST saves a new text. A POST with the field `take_back` deletes the text.
    """
    session = get_object_or_404(
        HelpSession.objects.belonging_to(request.viewer).select_related("staff"), public_id=public_id
    )
    person, at = request.viewer.person, timezone.now()
    if not session.may_share_words(person):
        raise Http404
    if request.method == "POST" and "take_back" in request.POST:
        quotes.take_back_words(session, person=person, at=at)
        messages.success(request, _("Nobody can read your words anymore."))
        return redirect(session)
    shared = SharedWords.objects.filter(help_session=session).first()
    unsent = unsent_form(request) if request.method != "POST" else None
    initial = {"words": unsent.typed.get("words", "") if unsent else shared.words if shared else ""}
    form = SharedWordsForm(request.POST if request.method == "POST" else None, initial=initial)
    wording = quotes.wording(session)
    if form.is_valid():
        try:
            quotes.share_words(
                session,
                person=person,
                words=form.cleaned_data["words"],
                wording=wording,
                language=get_language(),
                at=at,
            )
        except quotes.NotShared:
            raise Http404 from None
        messages.success(
            request, _("Thank you. %(name)s can read your words.") % {"name": session.staff.display_name}
        )
        return redirect(session)
    context = {"help_session": session, "form": form, "shared": shared, "wording": wording, "unsent": unsent}
    return render(request, "checkins/share_words.html", context, status=422 if form.is_bound else 200)
