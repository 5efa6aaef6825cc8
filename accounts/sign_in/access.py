"""Who may open a page at all, and how somebody is let in. What they see inside is the business of the scopes."""

import time
from datetime import datetime, timedelta
from functools import wraps
from urllib.parse import urlencode

from allauth.account.models import Login
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import Http404
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme

from portal.security_log import note

from ..allauth_internals import get_authentication_records, perform_login, record_authentication
from ..models import User
from .desk_pins import BY_PIN, open_again

SECOND_FACTOR = "second_factor_at"
SECOND_FACTOR_LASTS = timedelta(
    hours=12
)  # a working day: the sign-in itself lasts far longer, the desk's door must not
BORROWED = "borrowed_device"
LAST_PERSON = settings.COOKIE_PREFIX + "last_person"
PROVED_AT = "proved_at"
READ_AT = "read_at"
OTHER_RECORD = "other_record"
PROOF_LASTS = timedelta(minutes=15)  # the page that asks for it says so


def sign_in(request, user, *, by, borrowed=False):
    """Let `user` in on this device, once something has proved who it is: `by` what ("code", "passkey", …) is remembered in the session. The
    session key changes; codes opened before stay open.

    On a `borrowed` device it is for a short while, see set_borrowed.
    """
    set_borrowed(request, borrowed)
    record_authentication(request, user, method=by)
    perform_login(request, Login(user=user))


def set_borrowed(request, borrowed):
    """Whether this isn't the person's own device, as they say before they sign in. Then the sign-in ends with the browser, at the latest
    after BORROWED_DEVICE_HOURS, and leaves nothing behind: no cookie that says whose it was, no draft in the browser.
    """
    if borrowed:
        request.session[BORROWED] = True
    else:
        request.session.pop(BORROWED, None)


def is_borrowed(request):
    return bool(request.session.get(BORROWED))


def lasts_until(request):
    """When the session must end by itself at a sign-in; None where it lasts as long as any."""
    return timezone.now() + timedelta(hours=settings.BORROWED_DEVICE_HOURS) if is_borrowed(request) else None


def last_person_id(request):
    """The public id of who was signed in here last and did not sign out, as a signed cookie says; or an empty string."""
    return request.get_signed_cookie(LAST_PERSON, default="")


def show_second_factor(request, *, at):
    """Open the desk's door for this sign-in. If a PIN had opened it, this now is more than that."""
    renew_session(request)
    request.session[SECOND_FACTOR] = at.isoformat()
    note(request, "opened_desk")
    request.session.pop(BY_PIN, None)
    open_again(request.user)


def renew_session(request):
    """A new session key, because the session may now do more; it stays the same entry in the list of this person's sign-ins."""
    old_key = request.session.session_key
    request.session.cycle_key()
    UserSession.objects.filter(session_key=old_key).update(session_key=request.session.session_key)


def note_proof(request):
    """Something has just shown that it is still them: a mailed code, a passkey, a PIN. It holds for PROOF_LASTS, in this session."""
    renew_session(request)
    request.session[PROVED_AT] = time.time()
    note(request, "proved")


def note_read(request, email):
    """Whoever has this session has just read a code that was mailed there. It holds for PROOF_LASTS."""
    request.session[READ_AT] = {email: time.time()} | {
        known: at for known, at in request.session.get(READ_AT, {}).items() if _is_fresh(at)
    }


def lately_read(request):
    """The addresses at which they have read a code in this session, at sign-in or since, not longer ago than PROOF_LASTS."""
    at_sign_in = {
        record["email"]: record["at"]
        for record in get_authentication_records(request, request.user)
        if record["method"] == "code"
    }
    read_at = at_sign_in | request.session.get(READ_AT, {})
    return {email for email, at in read_at.items() if _is_fresh(at)}


def forget_proof(request):
    """What showed who they are was enough for a patron; they work at a desk from now on."""
    for shown in (PROVED_AT, READ_AT):
        request.session.pop(shown, None)
    renew_session(request)


def lately_proved(request):
    """Whether they have shown in this session, at sign-in or since, who they are, and not longer ago than PROOF_LASTS. Of staff a card is no
    proof: with one they set up what opens the desk, and a PIN has four digits."""
    proofs = {"code"} if request.user.is_staff else {"code", "card"}
    at_sign_in = [
        record["at"]
        for record in get_authentication_records(request, request.user)
        if record["method"] in proofs
    ]
    return _is_fresh(max([*at_sign_in, request.session.get(PROVED_AT, 0)]))


def _is_fresh(at):
    return time.time() - at < PROOF_LASTS.total_seconds()


def note_other_record(request, person):
    """They have just proved that the record of `person` is theirs as well, by reading a code at its address."""
    request.session[OTHER_RECORD] = {
        "other": str(person.public_id),
        "of": str(request.user.public_id),
        "at": time.time(),
    }


def other_record(request):
    """The other record of whoever is signed in, while that proof holds; or None."""
    noted = request.session.get(OTHER_RECORD)
    if not noted or noted["of"] != str(request.user.public_id) or not _is_fresh(noted["at"]):
        return None
    return User.objects.filter(public_id=noted["other"], is_active=True).first()


def to_prove(request):
    return redirect(f"{reverse('prove')}?{urlencode({'next': request.get_full_path()})}")


def origin(request):
    """What a browser signs a passkey for: this host, by this scheme."""
    return f"{request.scheme}://{request.get_host()}"


def may_change_keys(request):
    """Whether passkeys may be added and removed now: a passkey opens the desk, so that of staff takes the second factor they have. Otherwise
    whoever reads their mail could make themselves one."""
    return not request.user.is_staff or not request.user.has_second_factor or has_shown_second_factor(request)


def needs_second_factor(request):
    return request.user.is_authenticated and request.user.is_staff


def may_pass_the_desk_door(request):
    """By the second factor, or on a shared desk computer that somebody unlocked with theirs by a PIN (accounts/staff/desk_lock.py watches over it)."""
    return has_shown_second_factor(request) or is_by_pin(request)


def is_by_pin(request):
    """Whether nothing but a PIN has shown who is at this shared desk computer: then the desk opens, and what takes more asks for more."""
    return request.shared_desk is not None and bool(request.session.get(BY_PIN))


def has_shown_second_factor(request):
    """Whether the second factor was shown in this sign-in, and not too long ago."""
    shown_at = request.session.get(SECOND_FACTOR)
    return bool(shown_at) and timezone.now() - datetime.fromisoformat(shown_at) < SECOND_FACTOR_LASTS


def to_the_desk_door(request):
    return redirect(f"{reverse('second_factor')}?{urlencode({'next': request.get_full_path()})}")


def safe_next(request):
    """Where the person was going, if that is a page of ours; otherwise an empty string."""
    going_to = request.POST.get("next") or request.GET.get("next") or ""
    safe = url_has_allowed_host_and_scheme(
        going_to, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    # From the root: anything else Django would first take for the name of a page.
    return going_to if safe and going_to.isprintable() and going_to.startswith("/") else ""


def proved_recently(view):
    """For a signed-in person who has shown lately that it is still them. Everybody else is led to the page that asks, and from there back to
    this address with a GET: so the address must answer one, and what was posted too late is asked for once more.

    What takes it: whatever opens the account to others (passkeys, the address), takes all of it along or ends it. A person whom only
    their device can show confirms on it.
    """

    @login_required
    @wraps(view)
    def guarded(request, *args, **kwargs):
        return view(request, *args, **kwargs) if lately_proved(request) else to_prove(request)

    return guarded


def staff_only(view):
    """For members of staff behind their second factor; for everybody else the page does not exist."""

    @login_required
    @wraps(view)
    def guarded(request, *args, **kwargs):
        if not request.user.is_staff:
            raise Http404
        if not may_pass_the_desk_door(request):
            return to_the_desk_door(request)
        return view(request, *args, **kwargs)

    guarded.guard = "staff_only"  # type: ignore[attr-defined]  # read by the sweep of all routes
    return guarded


def behind_second_factor(view):
    """For members of staff who have shown it themselves: a PIN is not enough."""

    @staff_only
    @wraps(view)
    def guarded(request, *args, **kwargs):
        return (
            view(request, *args, **kwargs) if has_shown_second_factor(request) else to_the_desk_door(request)
        )

    return guarded


def coordinator_only(view):
    """What is changed for the whole library takes the second factor of whoever does it."""
    guarded_view = behind_second_factor(view)

    @staff_only
    @wraps(view)
    def guarded(request, *args, **kwargs):
        if not request.user.is_coordinator:
            raise Http404
        return guarded_view(request, *args, **kwargs)

    guarded.guard = "coordinator_only"
    return guarded
