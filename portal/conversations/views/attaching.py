"""How files come into a composer and out to a reader, on the patron's pages and at the desk alike. Who may is the view's to say.

An attachment on a page has an `address`, of the route that its reader uses ("attachment" or "desk_attachment"), and a picture the
size in which it is shown.
"""

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _

from portal import limits
from portal.conversations import actions, attachments
from portal.conversations.models import Attachment, Side
from portal.files import preview_size
from portal.limits import TooOften
from portal.text import clean, uuid_or_none
from portal.uploads import uploaded

POLICY = "sandbox; frame-ancestors 'none'"
SHOWN_SIDE = 240
TYPES = {"jpeg": "image/jpeg", "png": "image/png", "webp": "image/webp", "pdf": "application/pdf"}


def files_of(conversation, said, *, route, unsent=None):
    """{primary key of the message: its attachments} for the messages `said` of a page, in one query; under None those of `unsent`."""
    found = attachments.attachments_of(said, unsent=unsent)
    for some in found.values():
        addressed(some, conversation, route=route)
    return found


def addressed(some, conversation, *, route):
    for attachment in some:
        attachment.address = reverse(route, args=[conversation.public_id, attachment.public_id])
        if attachment.is_picture:
            width, height = preview_size(attachment.width, attachment.height)
            shrink = min(1, SHOWN_SIDE / max(width, height))
            attachment.shown_width, attachment.shown_height = (
                max(1, round(width * shrink)),
                max(1, round(height * shrink)),
            )
    return some


def take_in(request, conversation, *, by, side, client_token, is_sent=False):
    """Put the files and the descriptions that came with a form into its composer: ([Attachment], [NotAdded]). With `is_sent` into
    the message that it just became."""
    composer = {"by": by, "side": side, "client_token": client_token, "at": timezone.now()}
    words = _descriptions(request.POST)
    if words:
        attachments.describe(conversation, words=words, **composer)
    uploads = [
        _counted(request, conversation, *upload) if side == Side.PATRON else upload
        for upload in uploaded(request)
    ]
    return (
        attachments.add_each(conversation, uploads=uploads, is_sent=is_sent, **composer)
        if uploads
        else ([], [])
    )


def _counted(request, conversation, name, file, why):
    """Before it is drawn anew, which costs."""
    try:
        limits.count_written(request, "file", conversation)
    except TooOften:
        return name, None, "too_often"
    return name, file, why


def change_composer(request, conversation, form, *, by, side, route, keep_typed, back):
    """Answers the address to which a composer sends its files, one at a time or all with the form, and its buttons "Remove".

    attach.js is told what was added, as lines of the list. Without it the whole form came: `keep_typed()` keeps what was typed
    as its draft, and the page at `back` shows it again.
    """
    if not form.is_valid():
        return HttpResponse(status=422)
    token, gone = form.cleaned_data["client_token"], form.cleaned_data["take_out"]
    try:
        if gone:
            attachments.remove(
                conversation, by=by, side=side, client_token=token, public_id=gone, at=timezone.now()
            )
        added, refused = take_in(request, conversation, by=by, side=side, client_token=token)
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
    """Whether the small picture is asked for."""
    return bool(attachment.preview) and request.GET.get("size") == "small"


def served(request, attachment):
    """The file itself, or with ?size=small its preview. A PDF is handed on as a download; nothing in it is ever run here."""
    file = attachment.preview if is_preview(request, attachment) else attachment.file
    try:
        with file.open("rb") as stream:
            response = HttpResponse(stream.read(), content_type=TYPES[file.name.rpartition(".")[2]])
    except FileNotFoundError:
        raise Http404 from None
    response.headers["Content-Disposition"] = content_disposition_header(
        attachment.kind == Attachment.Kind.PDF, attachment.name
    )
    response.headers["Content-Security-Policy"] = POLICY
    response.headers["Cache-Control"] = "private, no-store"
    response.headers["Content-Encoding"] = "identity"  # packed already: packing it again would only cost
    return response


def _descriptions(post):
    """{public id: words} of the fields alt-<public id>."""
    named = {uuid_or_none(name.removeprefix("alt-")): post[name] for name in post if name.startswith("alt-")}
    return {
        public_id: clean(words, max_length=attachments.LONGEST_ALT)
        for public_id, words in named.items()
        if public_id
    }
