"""The page where coordinators make and revoke the tokens of other systems."""

from django.contrib import messages
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from accounts.sign_in.access import coordinator_only

from . import tokens
from .forms import TokenForm
from .models import ApiToken


@coordinator_only
def api_tokens(request):
    """List the tokens, and make one. The text of a new token is shown once, in the response to the form."""
    form = TokenForm(request.POST or None, user=request.user)
    text = ""
    if form.is_valid():
        try:
            made, text = tokens.make_token(**form.cleaned_data, by=request.user, at=timezone.now())
            form = TokenForm(user=request.user)
        except tokens.TooManyTokens:
            form.add_error(None, _("The library has 50 tokens. Revoke one first."))
    context = {
        "form": form,
        "tokens": tokens.listed_tokens(request.user),
        "made": made if text else None,
        "text": text,
    }
    return render(request, "desk/api/tokens.html", context)


@coordinator_only
@require_POST
def revoke_api_token(request, public_id):
    token = get_object_or_404(ApiToken.objects.active().managed_by(request.user), public_id=public_id)
    tokens.revoke_token(token, by=request.user, at=timezone.now())
    messages.success(request, _("%(name)s can't use the portal anymore.") % {"name": token.name})
    return redirect("api_tokens")
