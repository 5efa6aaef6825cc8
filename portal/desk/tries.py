"""How often a member of staff may type a code: far more than any shift needs, and far too seldom to guess one."""

from django.utils.translation import gettext_lazy as _

from portal.security_log import consume

TOO_OFTEN = _("That was tried too often. Wait a few minutes, then try again.")


def may_try_code(request):
    """Counted across all processes, whatever the code turns out to be."""
    return bool(consume(request, action="code_at_desk", user=request.user))
