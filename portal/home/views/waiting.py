from django.http import JsonResponse
from django.middleware.csrf import get_token
from django.views.decorators.http import require_safe

from accounts import audit
from accounts.sign_in.access import leaves_session_alone


@leaves_session_alone
@require_safe
def who_sends(request):
    """Return who is signed in with this browser, and the CSRF token that its forms need now.

    A script requests this before it sends forms that were stored on a phone while the phone was offline
    (`static/js/waiting.js`). `former` has the ids of records that were merged into this person's record. A
    stored form with one of these ids also belongs to this person.
    """
    person = request.user if request.user.is_authenticated else None
    return JsonResponse(
        {
            "writer": str(person.public_id) if person else "",
            "former": audit.former_ids(person) if person else [],
            "csrf": get_token(request),
        }
    )
