"""The page that lists a staff member's own unsent text in conversations that they can no longer open."""

from django.contrib import messages
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods

from accounts.sign_in.access import staff_only
from portal.conversations.draft_answers import drafts_out_of_reach
from portal.conversations.drafts import UNDO_FOR, discard_for_now, restore
from portal.desk.item_picker import ItemPicker
from portal.text import uuid_or_none


@staff_only
@require_http_methods(["GET", "HEAD", "POST"])
def desk_unsent_text(request):
    """Show the drafts. On POST, delete the draft whose token is in the field `draft`.

    If the URL has a parameter `restore`, restore the deleted draft with this token instead.
    """
    if request.method == "POST":
        if "restore" in request.GET:
            _restore(request, uuid_or_none(request.GET["restore"]))
        else:
            _discard(request, uuid_or_none(request.POST.get("draft", "")))
        return redirect("desk_unsent_text")
    drafts = drafts_out_of_reach(request.user)
    for draft in drafts:
        draft.items = ItemPicker(draft.typed).formset.shown()
    return render(request, "desk/unsent_text.html", {"drafts": drafts})


def _discard(request, token):
    for draft in drafts_out_of_reach(request.user):
        if draft.client_token == token:
            discard_for_now(draft, at=timezone.now())
            words = ngettext(
                "Text deleted. You can undo this for %(count)d minute.",
                "Text deleted. You can undo this for %(count)d minutes.",
                UNDO_FOR.seconds // 60,
            )
            undo = f"undo={reverse('desk_unsent_text')}?restore={token}"
            messages.info(request, words % {"count": UNDO_FOR.seconds // 60}, extra_tags=undo)


def _restore(request, token):
    if restore(request.user, client_token=token, at=timezone.now()):
        messages.success(request, _("Your text is back."))
    else:
        messages.error(request, _("This text can't be brought back anymore."))
