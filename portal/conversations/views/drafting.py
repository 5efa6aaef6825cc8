"""Saving drafts, for patron pages and the desk. The browser's side is static/js/drafts.js."""

import uuid

from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone

from portal.conversations import drafts


def keep(request, conversation, form, *, typed=None, **whose):
    """Save a draft and answer with a status: 204 saved, 422 invalid.

    409 comes with a message that there is a newer draft. 410 means that the composer was sent meanwhile, and
    comes with the token for a new message. `typed` are the other fields of the composer. `whose` are person,
    side and kind.
    """
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
