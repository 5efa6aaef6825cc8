"""The page with a staff member's refused forms, and the view that deletes any refused form.

A form was refused because the sign-in or the form had expired. A patron finds the text in the form itself.
"""

from django.contrib.auth.decorators import login_required
from django.shortcuts import redirect, render
from django.utils import timezone
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
        # If these forms were sent without the second factor, the desk would refuse them again.
        return redirect_to_second_factor(request)
    context = {"posts": [(post, button_of(post)) for post in posts]}
    return render(request, "accounts/refused_post.html", context)


@login_required
@require_POST
def discard_kept(request, public_id):
    """Delete a refused form, and go back to the page that showed it."""
    refused_posts.drop_refused_post(request.user, public_id, browser=browser_of(request))
    return redirect(safe_next(request) or "kept")
