"""Save drafts, for patron pages and the desk. In the browser, static/js/drafts.js sends them."""

import uuid

from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone

from portal.conversations import drafts


def keep(request, conversation, form, *, typed=None, **whose):
    """Save a draft, and return a response with one of four status codes.

    204 means that the draft was saved, and 422 that the form is invalid. 409 means that there is a newer
    draft, which the response shows. 410 means that the message was sent before this draft arrived. The
    response then has a token for the next message.

    `typed` has the composer's fields besides the text. `whose` has other arguments of drafts.save_draft, such
    as person and side.
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
