"""The list of kits, and the page of a kit. The form is in kit_forms.py."""

from django.contrib import messages
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.sign_in.access import staff_only
from portal.desk.branches import branch_for
from portal.desk.forms.kits import too_many_kits
from portal.desk.kit_rows import can_be_recommended, items_of
from portal.desk.kits_page import editable_kits, shown_items, shown_kits
from portal.desk.languages import language_name
from portal.desk.shared_items import is_kit_shareable, without_private
from portal.htmx import render_page
from portal.kits import actions
from portal.kits.models import Kit
from recommendations.models import Item

from .links import share_items


@staff_only
@require_safe
def desk_kits(request):
    """List the kits of the staff member's branches and of all branches, and their own kit."""
    retired = request.GET.get("show") == "retired"
    context = {"kits": shown_kits(request.user, retired=retired), "retired": retired}
    return render_page(request, "desk/kits/list.html", context)


@staff_only
@require_safe
def desk_kit(request, public_id):
    """Show a kit with its items."""
    kit = _kit_or_404(request, public_id)
    context = {
        "kit": kit,
        "rows": shown_items(kit),
        "languages": [language_name(code) for code in kit.languages],
        "may_edit": editable_kits(request.user).filter(pk=kit.pk).exists(),
        "may_share": is_kit_shareable(kit),
    }
    return render_page(request, "desk/kits/kit.html", context)


@staff_only
@require_POST
def retire_kit(request, public_id):
    """Stop offering the kit, or offer it again."""
    kit = _editable_or_404(request, public_id)
    if kit.retired_at:
        try:
            actions.offer_kit_again(kit, by=request.user, at=timezone.now())
        except actions.TooManyKits:
            messages.error(request, too_many_kits())
        else:
            messages.success(request, _("The kit is offered again."))
    else:
        actions.retire_kit(kit, by=request.user, at=timezone.now())
        undo = f"undo={reverse('retire_kit', args=[public_id])}"
        messages.success(request, _("The kit is retired. It isn't offered anymore."), extra_tags=undo)
    return redirect(kit)


@staff_only
@require_POST
def remove_from_own_kit(request, public_id, item_id):
    """Remove an item from the staff member's own kit, or put it back if the URL has `restore`."""
    own = Kit.objects.at_desk_of(request.user).filter(owner=request.user)
    kit = get_object_or_404(own, public_id=public_id)
    item = get_object_or_404(Item.objects.filter(pk__in=kit.items.values("item")), public_id=item_id)
    if "restore" in request.GET:
        actions.restore_own_item(kit, item, by=request.user, at=timezone.now())
        messages.success(request, _("The item is back in your kit."))
    else:
        actions.remove_own_item(kit, item, by=request.user, at=timezone.now())
        undo = f"undo={request.path_info}?restore=1"
        messages.success(request, _("Removed. The kit won't add this item again."), extra_tags=undo)
    return redirect(kit)


@staff_only
@require_http_methods(["GET", "HEAD", "POST"])
def share_kit(request, public_id):
    """Show the items of a kit as visitors will see them. The button makes the link."""
    kit = _kit_or_404(request, public_id)
    offered = [row.item for row in items_of(kit) if can_be_recommended(row.item)]
    items = without_private(offered)
    if not is_kit_shareable(kit) or (offered and not items):
        words = _(
            "The items of this kit can't be shared, because they are about a sensitive topic, or from a "
            "quiet visit or a visit with a child."
        )
        messages.warning(request, words)
        return redirect(kit)
    return share_items(request, items, branch=kit.branch or branch_for(request), kit=kit)


def _kit_or_404(request, public_id):
    rows = Kit.objects.at_desk_of(request.user).with_words()
    return get_object_or_404(rows, public_id=public_id)


def _editable_or_404(request, public_id):
    rows = editable_kits(request.user).with_words()
    return get_object_or_404(rows, public_id=public_id)
