"""Email codes to people who are already signed in, and let each emailed code be used only once.

Signed-in people enter a code to add an email address or to reauthenticate. allauth sends the codes for
signing in.
"""

from allauth.account import app_settings
from allauth.account.adapter import get_adapter
from django.utils.translation import gettext as _

from accounts.allauth_internals import AbstractCodeVerificationProcess
from accounts.sign_in.double_tap import claim
from portal import limits

# The session stores the code under this name. Don't change the name, so that codes stay valid during an
# upgrade.
STATE = "mailed_code"


class EmailedCode(AbstractCodeVerificationProcess):
    """A code that was sent to an address for one purpose. The session stores the code."""

    def __init__(self, request, state):
        self.request = request
        super().__init__(
            max_attempts=app_settings.LOGIN_BY_CODE_MAX_ATTEMPTS,
            timeout=app_settings.LOGIN_BY_CODE_TIMEOUT,
            state=state,
            user=request.user,
        )

    @classmethod
    def start(cls, request, *, purpose, email):
        """Send a new code and store it in the session."""
        process = cls(request, {**cls.initial_state(user=request.user, email=email), "purpose": purpose})
        process.send()
        process.persist()

    @classmethod
    def resume(cls, request, *, purpose):
        """Return the code that this person can still enter for this purpose, or None."""
        state = request.session.get(STATE)
        if (
            not state
            or state["purpose"] != purpose
            or state["user_id"] != cls.initial_state(user=request.user)["user_id"]
        ):
            return None
        return cls(request, state).abort_if_invalid()

    @property
    def email(self):
        return self.state["email"]

    @property
    def can_resend(self):
        return not self.is_resend_quota_reached(app_settings.LOGIN_BY_CODE_MAX_RESEND_COUNT)

    def send(self):
        self.state["code"] = get_adapter().generate_login_code()
        get_adapter().send_mail("account/email/login_code", self.email, {"code": self.code})

    def resend(self):
        self.send()
        self.record_resend()
        self.persist()

    def persist(self):
        self.request.session[STATE] = dict(self.state)

    def abort(self):
        self.request.session.pop(STATE, None)


def count_code(request, email):
    """Count one emailed code toward its rate limit. Raises limits.TooOften."""
    limits.count(request, "mailed_code", target=email)


def count_attempt(request, process):
    """Count one attempt to enter a code toward its rate limit. Raises limits.TooOften.

    allauth counts the attempts in the session. That is not enough, because simultaneous requests would all
    see the same count.
    """
    limits.count(request, "mailed_code_try", target=_sent_code(process))


def claim_code(process):
    """Return whether this request is the first with the correct code. Only this request may use the code.

    Later requests must not write to the session, because the first request may have replaced the session. If
    a later request is identical to the first, as in a double tap, the browser gets the response to the first
    request.
    """
    seconds = 2 * app_settings.LOGIN_BY_CODE_TIMEOUT
    return claim(process.request, "mailed_code", _sent_code(process), seconds=seconds)


def _sent_code(process):
    return f"{process.state.get('email')}:{process.code}:{process.state['at']}"


def sent_too_often(error):
    """Return a text that says when the next code can be sent. `error` is a limits.TooOften."""
    return _(
        "We can't send more codes right now. Check your spam folder. We can send another code %(when)s "
        "or later."
    ) % {"when": error.when}
