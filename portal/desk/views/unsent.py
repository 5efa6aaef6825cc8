"""The page with a staff member's own unsent text in conversations that they can no longer open."""

from django.contrib import messages
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from accounts.sign_in.access import staff_only
from portal.conversations.draft_answers import drafts_out_of_reach
from portal.conversations.drafts import discard
from portal.desk.item_picker import ItemPicker
from portal.text import uuid_or_none


@staff_only
@require_http_methods(["GET", "HEAD", "POST"])
def desk_unsent_text(request):
    """Show the drafts. A POST request deletes the one whose token is in the field `draft`."""
    drafts = drafts_out_of_reach(request.user)
    if request.method == "POST":
        token = uuid_or_none(request.POST.get("draft", ""))
        for draft in drafts:
            if draft.client_token == token:
                key = {"person": request.user, "side": draft.side, "kind": draft.kind}
                discard(draft.conversation, client_token=token, **key)
                messages.info(request, _("Text deleted."))
        return redirect("desk_unsent_text")
    for draft in drafts:
        draft.items = ItemPicker(draft.typed).formset.shown()
    return render(request, "desk/unsent_text.html", {"drafts": drafts})
