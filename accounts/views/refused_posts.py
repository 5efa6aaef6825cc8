"""The page with a staff member's refused forms, and the view that deletes any refused form.

The forms were refused because the sign-in or the form had expired. Patrons find a refused text on the page of
its form instead.
"""

from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from accounts.models import RefusedPost
from accounts.patron import refused_posts
from accounts.refused_buttons import button_of
from accounts.sign_in.access import may_open_desk, redirect_to_second_factor, safe_next
from accounts.sign_in.unsent import browser_of


@login_required
def kept(request):
    """Show the person's refused forms, so that they can send these forms again.

    The forms were refused because the sign-in or the form had expired.
    """
    posts = RefusedPost.objects.offered_to(request.user, at=timezone.now())
    if not posts:
        return redirect("home")
    if (
        request.user.is_staff
        and any(post.path.startswith("/desk/") for post in posts)
        and not may_open_desk(request)
    ):
        # If the person sent the saved desk forms without the second factor, the desk would refuse them again.
        return redirect_to_second_factor(request)
    context = {"posts": [(post, button_of(post)) for post in posts]}
    return render(request, "accounts/refused_post.html", context)


@login_required
@require_POST
def discard_kept(request, public_id):
    """Delete a refused form, or restore it if the URL has `?undo=1`.

    Then redirect to the URL in `next`, or to the page /kept/.
    """
    page, browser, at = safe_next(request) or reverse("kept"), browser_of(request), timezone.now()
    if request.GET.get("undo"):
        if not refused_posts.restore_refused_post(request.user, public_id, browser=browser, at=at):
            messages.warning(request, _("This can't be undone anymore."))
        return redirect(page)
    left = refused_posts.discard_refused_post(request.user, public_id, browser=browser, at=at)
    if left is not None:
        minutes = max(int(left.total_seconds() // 60), 1)
        words = ngettext(
            "Deleted. You can undo this for a minute.",
            "Deleted. You can undo this for %(minutes)s minutes.",
            minutes,
        ) % {"minutes": minutes}
        undo = f"{reverse('discard_kept', args=[public_id])}?{urlencode({'undo': 1, 'next': page})}"
        messages.success(request, words, extra_tags=f"undo={undo}")
    return redirect(page)
