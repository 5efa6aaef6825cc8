"""How what is being typed is kept, on the patron's pages and at the desk alike. static/js/drafts.js asks; whose it is, is the view's to say."""

import uuid

from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone

from portal.conversations import drafts


def keep(request, conversation, form, *, typed=None, **whose):
    """204: kept. Where something else is kept by now 409 and a word about it; where it was sent meanwhile 410 and the token of
    another message; 422 where the form says nothing that can be kept. `typed`: the other fields of the composer, as typed."""
    if not form.is_valid():
        return HttpResponse(status=422)
    typed = typed or {}
    try:
        drafts.save_draft(conversation, typed=typed, at=timezone.now(), **whose, **form.cleaned_data)
    except drafts.AlreadySent:
        return HttpResponse(str(uuid.uuid4()), status=410, content_type="text/plain")
    except drafts.NewerDraft as newer:
        if (newer.draft.body, newer.draft.typed) != (form.cleaned_data["body"], typed):
            return render(request, "components/newer_draft.html", {"draft": newer.draft}, status=409)
    return HttpResponse(status=204)
