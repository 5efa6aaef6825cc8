"""Let a person erase their account. The person sees the effect, reauthenticates, and gets a receipt."""

from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import AnonymousUser
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone, translation
from django.utils.translation import get_language
from django.views.decorators.http import require_http_methods, require_safe

from accounts.sign_in.access import LAST_PERSON, recently_authenticated, redirect_to_reauthenticate
from accounts.sign_in.email_addresses import confirmed_address
from portal.privacy import erasure
from portal.privacy.erasure_words import in_words, stays_in_words
from portal.privacy.models import Erasure


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def erase(request):
    """Show what an erasure deletes and keeps. A POST erases the person and redirects to the receipt."""
    if request.method == "POST":
        if not recently_authenticated(request):
            return redirect_to_reauthenticate(request)
        try:
            receipt = erasure.erase(request.user, language=get_language(), at=timezone.now())
        except erasure.AlreadyErased:
            return _sign_out(request, redirect("signed_out"))
        except erasure.Merged:
            # Another request has just merged this person's record. The merge has also ended this sign-in.
            return _sign_out(request, render(request, "privacy/not_erased.html", status=409))
        except erasure.WorksAtADesk:
            return _page(request, status=409)
        except erasure.HeldByLaw:
            return _page(request, is_held=True, status=409)
        return _sign_out(request, redirect("erased", public_id=receipt.public_id))
    return _page(request)


@require_safe
def erased(request, public_id):
    """Show the receipt. The receipt names nobody, and only the erased person knows its URL."""
    receipt = get_object_or_404(Erasure, public_id=public_id)
    with translation.override(receipt.language):
        context = {
            "receipt": receipt,
            "goes": in_words(receipt.counts),
            "stays": stays_in_words(receipt.counts),
        }
        return render(request, "privacy/erased.html", context)


def _page(request, *, is_held=False, status=200):
    counts = erasure.preview(request.user, at=timezone.now())
    context = {
        "goes": in_words(counts),
        "stays": stays_in_words(counts),
        "roles": request.user.roles,
        "mailed": confirmed_address(request.user),
        "proved": recently_authenticated(request),
        "is_held": is_held,
    }
    return render(request, "privacy/erase.html", context, status=status)


def _sign_out(request, response):
    """Remove the person's data from this browser, as signing out does, and return the response."""
    request.session.flush()
    request.user = AnonymousUser()
    response.headers["Clear-Site-Data"] = '"cache", "cookies", "storage"'
    response.delete_cookie(LAST_PERSON, samesite="Lax")
    return response
