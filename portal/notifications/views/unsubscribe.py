"""Turn notices off with the link in an email, without signing in (RFC 8058)."""

from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from accounts.patron import check_ins
from portal.notifications.unsubscribing import CHECK_IN, read_token
from portal.notifications.unsubscribing import unsubscribe as turn_off


# A mail program sends this POST without having loaded one of our pages, so it has no cookie and no CSRF
# token. The signed token shows that the link comes from an email. The POST can turn off only the notices that
# this token names.
@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
def unsubscribe(request, token):
    """Show a button. Only a POST turns the notices off, because scanners open every link in an email."""
    person, kinds = read_token(token)
    if person is None:
        return render(request, "notifications/unsubscribe_unknown.html", status=404)
    if request.method == "POST":
        turn_off(person, kinds, at=timezone.now())
    has_check_ins = any(kind.key == CHECK_IN for kind in kinds)
    is_only_check_ins = has_check_ins and len(kinds) == 1
    context = {
        "kinds": kinds,
        "is_done": request.method == "POST",
        "change_page": next((kind.change_page for kind in kinds), "notices"),
        "has_check_ins": has_check_ins,
        "is_only_check_ins": is_only_check_ins,
        "stop_sentence": check_ins.stop_sentence(),
        "button": check_ins.stop_button(only_check_ins=is_only_check_ins),
    }
    return render(request, "notifications/unsubscribe.html", context)
