"""A code mailed to somebody who is signed in already: to prove an address they add, or that it is still them."""

from allauth.account import app_settings
from allauth.account.adapter import get_adapter
from allauth.account.internal.flows.code_verification import AbstractCodeVerificationProcess

from portal.security_log import consume

STATE = "mailed_code"


class MailedCode(AbstractCodeVerificationProcess):
    def __init__(self, request, state):
        self.request = request
        super().__init__(max_attempts=app_settings.LOGIN_BY_CODE_MAX_ATTEMPTS, timeout=app_settings.LOGIN_BY_CODE_TIMEOUT, state=state, user=request.user)

    @classmethod
    def start(cls, request, *, purpose, email):
        process = cls(request, {**cls.initial_state(user=request.user, email=email), "purpose": purpose})
        process.send()
        process.persist()

    @classmethod
    def going_on(cls, request, *, purpose):
        """The one that this person began in this session for this purpose and can still finish, or None."""
        state = request.session.get(STATE)
        if not state or state["purpose"] != purpose or state["user_id"] != cls.initial_state(user=request.user)["user_id"]:
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


def may_send_code(request, email):
    """Counted across all processes, by network address and by mail address."""
    return consume(request, action="request_login_code", key=email.lower())


def may_try_code(request, process):
    """Tries for one code, however many at once: the count in the session alone would let a burst of tries through."""
    return consume(request, action="try_code", key=f"{process.state.get('email')}:{process.code}:{process.state['at']}")
