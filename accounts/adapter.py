"""Subclasses of allauth's adapters.

These subclasses generate sign-in codes, send emails, and set error messages. They also encrypt authenticator
app secrets, and configure single sign-on.
"""

import qrcode
from allauth.account.adapter import DefaultAccountAdapter
from allauth.core import context as allauth_context
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialApp
from django.conf import settings
from django.utils.crypto import get_random_string
from django.utils.translation import get_language, get_language_bidi, override
from django.utils.translation import gettext_lazy as _
from qrcode.image.svg import SvgPathFillImage

from accounts.sign_in.authenticator_apps import SEALED_FOR
from portal import keys
from portal.security_log import note

from .allauth_internals import get_authentication_records
from .models import Library, User
from .sign_in.access import session_expiry
from .sign_in.provider_connection import LimitedAdapter
from .staff.desk_lock import shared_desk_here, start_desk_session


class AccountAdapter(DefaultAccountAdapter):
    """The portal's version of allauth's account adapter, for sign-in, codes and emails."""

    error_messages = {
        **DefaultAccountAdapter.error_messages,
        "incorrect_code": _("That code isn't right. Check it, or get a new one."),
        # allauth shows this message after too many wrong authenticator app codes.
        "too_many_login_attempts": _("Too many tries. Wait a few minutes, then try again."),
    }

    def get_login_stages(self):
        """Return allauth's login stages, except the stage for the second factor.

        Our own SecondFactorMiddleware asks for the second factor before any desk page.
        """
        return ["allauth.account.stages.LoginByCodeStage"]

    def login(self, request, user):
        """Sign the person in, and set how long the session lasts.

        The session of a signed-out person may expire soon, so signing in gives it the usual lifetime. On a
        borrowed device, the lifetime is shorter. On a shared desk computer, the session ends when staff must
        unlock the computer again.
        """
        method = "".join(record["method"] for record in get_authentication_records(request, user)[-1:])
        super().login(request, user)
        # note_method() in accounts/sign_in/methods.py stores the value of this attribute in a cookie.
        request.sign_in_method = method
        note(request, "signed_in", by=method)
        desk = shared_desk_here(request) if user.is_staff else None
        if desk:
            start_desk_session(request, desk)
        request.session.set_expiry(desk.until if desk else session_expiry(request))

    def generate_login_code(self):
        return get_random_string(6, "0123456789")

    def is_reauthentication_required(self, **kwargs):
        """Return False, because our own views ask people to reauthenticate."""
        return False

    def add_message(self, *args, **kwargs):
        """Show none of allauth's messages, because our own pages say what happened."""

    def send_mail(self, template_prefix, email, context):
        """Send an email in the recipient's language.

        Use the language in `context` if there is one. Otherwise use the language of the person who has this
        address. If nobody has the address, use the page's language.
        """
        language = (
            context.get("language")
            or User.objects.filter(email__iexact=email).values_list("language", flat=True).first()
            or get_language()
        )
        with override(language):
            library = Library.current()
            context = {
                **context,
                "email": email,
                "library": library,
                "base_url": settings.BASE_URL,
                "language": language,
                "direction": "rtl" if get_language_bidi() else "ltr",
            }
            # The text may contain a code or a link, so the outbox deletes the text after delivery.
            headers = {"X-Afterword-Blank": "1"}
            # This header says how long the code or link works, in seconds.
            if template_prefix == "account/email/login_code":
                headers["X-Afterword-Seconds"] = str(settings.ACCOUNT_LOGIN_BY_CODE_TIMEOUT)
            elif "days" in context:
                headers["X-Afterword-Seconds"] = str(context["days"] * 24 * 60 * 60)
            self.render_mail(template_prefix, email, context, headers=headers).send()

    def format_email_subject(self, subject):
        return str(subject)


class MFAAdapter(DefaultMFAAdapter):
    """The portal's version of allauth's adapter for authenticator apps."""

    error_messages = {
        **DefaultMFAAdapter.error_messages,
        "incorrect_code": _("That code isn't right. Wait for the next code in your app, then enter it."),
        "unverified_email": _(
            "First sign in with a code that we email you. Then we know that the address is yours."
        ),
    }

    def get_totp_label(self, user):
        return user.email or user.display_name

    def get_totp_issuer(self):
        request = allauth_context.request
        return request.library.name.replace(":", " ") if request else super().get_totp_issuer()

    def build_totp_url(self, user, secret):
        # Some apps reject a secret that ends in "=" characters.
        return super().build_totp_url(user, secret.rstrip("="))

    def build_totp_svg(self, url):
        """Return the QR code as SVG with a white background.

        Without a background, cameras couldn't read the black code on a dark page.
        """
        return qrcode.make(url, image_factory=SvgPathFillImage).to_string(encoding="unicode")

    # The next two methods encrypt and decrypt authenticator app secrets. So a copy of the database alone is
    # not enough to generate codes.

    def encrypt(self, text):
        return keys.seal(SEALED_FOR).encrypt(text.encode()).decode()

    def decrypt(self, encrypted_text):
        return keys.seal(SEALED_FOR).decrypt(encrypted_text.encode()).decode()


class SocialAccountAdapter(DefaultSocialAccountAdapter):
    """The portal's version of allauth's adapter for single sign-on."""

    def list_apps(self, request, provider=None, client_id=None):
        """Return a list with the provider in the settings. Without a provider, the list is empty.

        The rows of allauth's table SocialApp have no effect.
        """
        sso = settings.SSO
        if not sso["issuer"]:
            return []
        app_settings = {"server_url": sso["issuer"], "scope": sso["scopes"], "oauth_pkce_enabled": True}
        app = SocialApp(
            provider="openid_connect", provider_id=sso["issuer"], name=sso["name"], settings=app_settings
        )
        app.client_id, app.secret = sso["client_id"], sso["client_secret"]
        return [app]

    def get_requests_session(self):
        """Return a requests session that checks the provider's certificate and follows no redirect."""
        session = super().get_requests_session()
        session.verify = settings.SSO["ca_file"] or True
        session.max_redirects = 0
        for scheme in ("https://", "http://"):
            session.mount(scheme, LimitedAdapter())
        return session
