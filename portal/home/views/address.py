from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from portal.home.address_off import ADDRESS_OFF
from portal.notifications import bounces


@login_required
@require_POST
def try_address(request):
    """Turn on notices to the person's email address again."""
    bounces.try_again(request.user)
    request.session.pop(ADDRESS_OFF, None)
    messages.success(request, _("We'll send notices to your email address again."))
    return redirect("desk" if "at_desk" in request.POST else "home")
