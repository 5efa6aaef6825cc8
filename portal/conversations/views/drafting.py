"""Save the drafts that static/js/drafts.js sends from patron pages and from the desk."""

import uuid

from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone

from portal.conversations import drafts


def keep(request, conversation, form, *, typed=None, **whose):
    """Save a draft, and return a response.

    The status code is 204 if the draft was saved, and 422 if the form is invalid. If a newer draft exists,
    the status code is 409, and the response shows the newer draft. If the message was sent before this draft
    arrived, the status code is 410, and the response has a token for the next message.

    `typed` has the composer's fields except the text. `whose` has more arguments for drafts.save_draft, such
    as `person`, `side` and `kind`.
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
