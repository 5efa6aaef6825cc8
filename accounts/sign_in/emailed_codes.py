"""A code mailed to somebody who is signed in already: to prove an address they add, or that it is still them."""

from allauth.account import app_settings
from allauth.account.adapter import get_adapter
from django.utils.translation import gettext as _

from accounts.allauth_internals import AbstractCodeVerificationProcess
from portal import limits

STATE = "mailed_code"


class EmailedCode(AbstractCodeVerificationProcess):
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
        process = cls(request, {**cls.initial_state(user=request.user, email=email), "purpose": purpose})
        process.send()
        process.persist()

    @classmethod
    def going_on(cls, request, *, purpose):
        """The one that this person began in this session for this purpose and can still finish, or None."""
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
    """One more code by mail. Raises limits.TooOften."""
    limits.count(request, "mailed_code", target=email.lower())


def count_try(request, process):
    """Of one code, however many at once: the count in the session alone would let a burst of tries through. Raises limits.TooOften."""
    limits.count(
        request,
        "mailed_code_try",
        target=f"{process.state.get('email')}:{process.code}:{process.state['at']}",
    )


def sent_too_often(error):
    """What is said where no code was sent: `error` is the limits.TooOften."""
    return _(
        "We have sent as many codes as we can for now. Look in the folder for junk mail. We can send another %(when)s."
    ) % {"when": error.when}
