"""Add files to a composer and serve them, for patron pages and the desk.

These functions check no permissions. The views that call them check permissions first. `route` is the name of
the URL pattern for the files: "attachment" for patrons, and "desk_attachment" for staff.
"""

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from portal import limits
from portal.conversations import actions, attachments
from portal.conversations.changes import writer_in
from portal.conversations.models import Attachment, Side
from portal.files import preview_size, soft_copy
from portal.limits import TooOften
from portal.text import clean, uuid_or_none
from portal.uploads import uploaded

POLICY = "sandbox; frame-ancestors 'none'"
SHOWN_SIDE = 240
TYPES = {"jpeg": "image/jpeg", "png": "image/png", "webp": "image/webp", "pdf": "application/pdf"}


def files_of(conversation, messages, *, route, unsent=None):
    """Return {primary key of a message: [its attachments]} for these messages, with one query.

    `unsent` is a queryset of attachments without a message. The result has these attachments under the key
    None.
    """
    files = attachments.attachments_of(messages, unsent=unsent)
    for attached in files.values():
        addressed(attached, conversation, route=route)
    return files


def addressed(attached, conversation, *, route):
    """Set the `address` of each attachment and the shown size of each picture, and return the attachments."""
    for attachment in attached:
        attachment.address = reverse(route, args=[conversation.public_id, attachment.public_id])
        if attachment.is_picture:
            width, height = preview_size(attachment.width, attachment.height)
            shrink = min(1, SHOWN_SIDE / max(width, height))
            attachment.shown_width, attachment.shown_height = (
                max(1, round(width * shrink)),
                max(1, round(height * shrink)),
            )
    return attached


def add_posted_files(request, conversation, *, by, side, client_token, is_sent=False):
    """Add the posted files and their descriptions to the composer. Return ([Attachment], [NotAdded]).

    If `is_sent` is true, the message has been sent already, and the files are added to that message.
    """
    composer = {"by": by, "side": side, "client_token": client_token, "at": timezone.now()}
    descriptions = _descriptions(request.POST)
    if descriptions:
        attachments.describe(conversation, words=descriptions, **composer)
    uploads = [
        _counted(request, conversation, *upload) if side == Side.PATRON else upload
        for upload in uploaded(request)
    ]
    return (
        attachments.add_each(conversation, uploads=uploads, is_sent=is_sent, **composer)
        if uploads
        else ([], [])
    )


def with_words(post, conversation, *, by, side, client_token):
    """Return the posted fields. If there are files but no text, add a text such as "See the attached file."

    Lists, emails, the search and screen readers need a text for each message.
    """
    if clean(post.get("body", ""), multiline=True):
        return post
    files = conversation.attachments.filter(
        client_token=client_token, side=side, added_by=writer_in(conversation, by, side)
    ).count()
    if not files:
        return post
    words = ngettext("See the attached file.", "See the %(count)s attached files.", files) % {"count": files}
    typed = post.copy()
    typed["body"] = words
    return typed


def _counted(request, conversation, name, file, why):
    """Count a patron's upload toward the limit, and return the upload as (name, file, why).

    If the limit is reached, return None in place of `file`, and "too_often" in place of `why`. Call this
    function before the file is decoded, because decoding is expensive.
    """
    try:
        limits.count_written(request, "file", conversation)
    except TooOften:
        return name, None, "too_often"
    return name, file, why


def change_composer(request, conversation, form, *, by, side, route, keep_typed, back):
    """Add files to a composer or remove a file from it, and return the response.

    If attach.js made the request, the response has the added files as list items. Without JavaScript, the
    browser also sends the text. In this case, `keep_typed()` saves the text as a draft, and the response
    redirects to `back`.
    """
    if not form.is_valid():
        return HttpResponse(status=422)
    token, gone = form.cleaned_data["client_token"], form.cleaned_data["take_out"]
    try:
        if gone:
            attachments.remove(
                conversation, by=by, side=side, client_token=token, public_id=gone, at=timezone.now()
            )
        added, refused = add_posted_files(request, conversation, by=by, side=side, client_token=token)
    except actions.Erased:
        raise Http404 from None
    if request.htmx:
        context = {"attached": addressed(added, conversation, route=route), "refused": refused}
        return render(request, "components/attach.html#files", context)
    keep_typed()
    for error in refused:
        messages.error(request, _("%(name)s: %(why)s") % {"name": error.name, "why": error.words})
    return redirect(back)


def is_preview(request, attachment):
    """Return whether the request is for a small copy of a picture."""
    return bool(attachment.preview) and request.GET.get("size") in {"small", "soft"}


def served(request, attachment):
    """Return a response with the file, its preview (?size=small) or a tiny copy of the preview (?size=soft).

    A PDF is sent as a download, so that the browser doesn't open it on this site and run its scripts.
    """
    file = attachment.preview if is_preview(request, attachment) else attachment.file
    try:
        with file.open("rb") as stream:
            is_soft = file == attachment.preview and request.GET["size"] == "soft"
            content = soft_copy(stream) if is_soft else stream.read()
    except FileNotFoundError:
        raise Http404 from None
    response = HttpResponse(content, content_type=TYPES[file.name.rpartition(".")[2]])
    response.headers["Content-Disposition"] = content_disposition_header(
        attachment.kind == Attachment.Kind.PDF, attachment.name
    )
    response.headers["Content-Security-Policy"] = POLICY
    response.headers["Cache-Control"] = "private, no-store"
    # The file is compressed already. "identity" stops middleware from compressing it again.
    response.headers["Content-Encoding"] = "identity"
    return response


def _descriptions(post):
    """Return {public id: description} from the form's fields, which are named alt-<public id>."""
    named = {uuid_or_none(name.removeprefix("alt-")): post[name] for name in post if name.startswith("alt-")}
    return {
        public_id: clean(words, max_length=attachments.ALT_MAX_LENGTH)
        for public_id, words in named.items()
        if public_id
    }
