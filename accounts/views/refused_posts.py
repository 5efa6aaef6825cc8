"""What somebody had written when their sign-in or form had run out, offered to them again."""

from django.contrib.auth.decorators import login_required
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST

from accounts.models import RefusedPost
from accounts.patron import refused_posts
from accounts.sign_in.access import may_pass_the_desk_door, to_the_desk_door


@login_required
def kept(request):
    posts = RefusedPost.objects.offered_to(request.user, at=timezone.now())
    if not posts:
        return redirect("home")
    if (
        request.user.is_staff
        and any(post.path.startswith("/desk/") for post in posts)
        and not may_pass_the_desk_door(request)
    ):
        return to_the_desk_door(request)  # words of the desk, and the desk would refuse them again
    return render(request, "accounts/refused_post.html", {"posts": posts})


@login_required
@require_POST
def discard_kept(request, public_id):
    refused_posts.drop_refused_post(request.user, public_id)
    return redirect("kept")
