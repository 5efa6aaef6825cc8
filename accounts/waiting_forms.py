"""Handle forms that waited on a phone until the phone had a connection. See decision 25.

A script of the page stores such a form in the browser and sends it later (`static/js/waiting.js`). The script
sends the form again until it gets a response. The form has a token, so that it is saved only once.
"""

import datetime
from functools import wraps

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, JsonResponse
from django.utils import timezone
from django.utils.translation import gettext as _

from portal.limits import TooOften
from portal.sent_forms import ChangedMeanwhile, TooOld, claim_form
from portal.text import uuid_or_none

from . import audit

# Headers of the request: the form's token, the public id of its writer, and how many seconds it has waited on
# the phone. The clock of a phone can be wrong, but it measures a duration well enough.
TOKEN, WRITER, WAITED = "X-Form-Token", "X-Form-Writer", "X-Form-Waited"

# A form that waited longer than this counts as if it had waited this long.
LONGEST_WAIT = datetime.timedelta(days=400)


def may_wait_on_phone(view):
    """Decorate a view whose form can wait on a phone. This must be the outermost decorator.

    If the form has waited on a phone, the response is JSON: {"words": text for the patron}. The status code
    is:

    - 200 if the form is saved now or was saved before

    - 401 if the writer isn't signed in

    - 409 if the patron made a later choice about the same item or visit

    - 410 if the form is so old that the portal no longer knows whether there was a later choice

    - the view's own status code in all other cases
    """

    @wraps(view)
    def guarded(request, *args, **kwargs):
        if not has_waited(request):
            return view(request, *args, **kwargs)
        token = uuid_or_none(request.headers[TOKEN])
        if token is None or request.method != "POST":
            return _answer(400, _("The library couldn't read what you sent. Open the page and try again."))
        is_writer = request.user.is_authenticated and str(request.user.public_id) == request.headers.get(
            WRITER
        )
        if not is_writer:
            return _answer(401, _("Sign in to send what is waiting on this phone."))
        return _take(request, token, lambda: view(request, *args, **kwargs))

    return guarded


def has_waited(request):
    """Return whether the form in this request has waited on a phone."""
    return TOKEN in request.headers


def tapped_at(request):
    """Return the time when the patron sent the form on their phone.

    Return None if the form has not waited on a phone.
    """
    if not has_waited(request):
        return None
    waited = request.headers.get(WAITED, "")
    seconds = int(waited) if waited.isdecimal() and len(waited) < 10 else 0
    return timezone.now() - min(datetime.timedelta(seconds=seconds), LONGEST_WAIT)


def say_refused(request, form):
    """Add the errors of the form to the response, if the form has waited on a phone."""
    request.refused_words = " ".join(error for errors in form.errors.values() for error in errors)


def refuse_waiting(request):
    """Raise PermissionDenied if the form has waited on a phone."""
    if has_waited(request):
        raise PermissionDenied


def refuse_quiet(session):
    """Raise PermissionDenied if a form that has waited on a phone is about a quiet visit.

    Call this function only for a form that has waited. `session` is the visit, or None if the form is about
    no visit.

    Nothing about a quiet visit may be stored on a phone, so our scripts never send such a form.
    """
    if session is not None and session.quiet:
        raise PermissionDenied


def _take(request, token, view):
    """Claim the form's token and run the view, both in one transaction. Return the JSON response."""
    try:
        with transaction.atomic():
            former_ids = audit.former_ids(request.user)
            if not claim_form(request.user, token, former_ids=former_ids, at=timezone.now()):
                return _answer(200, _("Sent."))
            status = view().status_code
            if status < 400:
                return _answer(200, _("Sent."))
            transaction.set_rollback(True)
    except ChangedMeanwhile:
        return _answer(
            409, _("You changed this again later, for example on another device. We kept your later choice.")
        )
    except TooOld:
        return _answer(
            410,
            _(
                "You pressed this button too long ago, so nothing was changed. To do it now, press the "
                "button again on the page."
            ),
        )
    except PermissionDenied:
        return _answer(403, _("You can send this only while you're online. Open the page and try again."))
    except Http404:
        status = 404
    except TooOften as error:
        return _answer(429, error.words)
    if reached := getattr(request, "too_often", None):
        return _answer(429, reached.words_for_writer)
    if status == 404:
        return _answer(404, _("The page with this form was deleted, or you can no longer open it."))
    return _answer(
        status,
        getattr(request, "refused_words", "")
        or _("The library couldn't accept what you sent. Open the page and try again."),
    )


def _answer(status, words):
    return JsonResponse({"words": words}, status=status)
