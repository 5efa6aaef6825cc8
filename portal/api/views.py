"""The page where coordinators make and revoke the tokens of other systems."""

import uuid

from django.contrib import messages
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from accounts.sign_in.access import coordinator_only
from portal.text import uuid_or_none

from . import tokens
from .forms import TokenForm
from .models import ApiToken


@coordinator_only
def api_tokens(request):
    """List the tokens. A POST makes a token. Only the response to this POST shows the text of the token."""
    form = TokenForm(request.POST or None, user=request.user)
    made, text = None, ""
    client_token = uuid_or_none(request.POST.get("client_token")) or uuid.uuid4()
    if form.is_valid():
        try:
            made, text = tokens.make_token(
                **form.cleaned_data, client_token=client_token, by=request.user, at=timezone.now()
            )
        except tokens.TooManyTokens:
            form.add_error(
                None,
                _("The library already has %(count)d tokens, and that is the limit. Revoke one first.")
                % {"count": tokens.MAX_TOKENS},
            )
        except tokens.MadeBefore:
            client_token = uuid.uuid4()
            form.add_error(
                None,
                _(
                    "This token was made before, and can't be shown again. If you didn't copy it, revoke it "
                    "and press “Make the token” again."
                ),
            )
    context = {
        "form": form,
        "tokens": tokens.listed_tokens(request.user),
        "made": made,
        "text": text,
        "client_token": client_token,
    }
    return render(request, "desk/api/tokens.html", context)


@coordinator_only
@require_POST
def revoke_api_token(request, public_id):
    token = get_object_or_404(ApiToken.objects.active().managed_by(request.user), public_id=public_id)
    tokens.revoke_token(token, by=request.user, at=timezone.now())
    messages.success(
        request,
        _("%(name)s can't use the portal anymore.") % {"name": token.name},
        extra_tags=f"undo={reverse('restore_api_token', args=[public_id])}",
    )
    return redirect("api_tokens")


@coordinator_only
@require_POST
def restore_api_token(request, public_id):
    """Undo revoking a token. After a token is revoked, the message on the page has a button for this."""
    token = get_object_or_404(ApiToken.objects.managed_by(request.user), public_id=public_id)
    tokens.restore_token(token, by=request.user, at=timezone.now())
    messages.success(request, _("%(name)s can use the portal again.") % {"name": token.name})
    return redirect("api_tokens")
