"""What allauth does in our own way: the codes, the mails, the words."""

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
from .sign_in.access import lasts_until
from .staff.desk_lock import desk_here, sit_down


class AccountAdapter(DefaultAccountAdapter):
    error_messages = {
        **DefaultAccountAdapter.error_messages,
        "incorrect_code": _("That is not the code. Look at it once more, or ask for a new one."),
        "too_many_login_attempts": _(
            "That was tried too often. Wait a few minutes, then try again."
        ),  # with an authenticator app
    }

    def get_login_stages(self):
        """The second factor is asked for at the desk's door, not of a member of staff who reads as a patron."""
        return ["allauth.account.stages.LoginByCodeStage"]

    def login(self, request, user):
        """A stranger's session may have been made to end soon, with what they had written: from here on it lasts, on a device of their own. At a
        shared desk computer it ends with the day, and whoever works there sits down at it."""
        by = [record["method"] for record in get_authentication_records(request, user)][-1:]
        super().login(request, user)
        request.came_in_by = "".join(by)  # accounts.sign_in.methods notes it for this device
        note(request, "signed_in", by=request.came_in_by)
        desk = desk_here(request) if user.is_staff else None
        if desk:
            sit_down(request, desk)
        request.session.set_expiry(desk.until if desk else lasts_until(request))

    def generate_login_code(self):
        return get_random_string(6, "0123456789")

    def is_reauthentication_required(self, **kwargs):
        """Our own views ask for a fresh proof before they touch a second factor: accounts/views/second_factor.py."""
        return False

    def add_message(self, *args, **kwargs):
        """Our own pages say what happened."""

    def send_mail(self, template_prefix, email, context):
        """In the language of the person, or for a stranger in that of the context, or of the page that asked for it."""
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
            # Reading it on a lock screen or in the outbox must be of no use later: the outbox empties it once delivered.
            self.render_mail(template_prefix, email, context, headers={"X-Afterword-Blank": "1"}).send()

    def format_email_subject(self, subject):
        return str(subject)


class MFAAdapter(DefaultMFAAdapter):
    error_messages = {
        **DefaultMFAAdapter.error_messages,
        "incorrect_code": _(
            "That is not the code that the app shows now. Wait for the next one and write that."
        ),
        "unverified_email": _(
            "Sign in with a code from your e-mail first, so that we know the address is yours."
        ),
    }

    def get_totp_label(self, user):
        return user.email or user.display_name

    def get_totp_issuer(self):
        request = allauth_context.request
        return request.library.name.replace(":", " ") if request else super().get_totp_issuer()

    def build_totp_url(self, user, secret):
        # A secret whose padding is written out is refused by some apps.
        return super().build_totp_url(user, secret.rstrip("="))

    def build_totp_svg(self, url):
        """On a ground of its own: black on a dark page no camera reads it."""
        return qrcode.make(url, image_factory=SvgPathFillImage).to_string(encoding="unicode")

    # Secrets of authenticator apps are of no use to whoever reads the database alone.

    def encrypt(self, text):
        return keys.seal(SEALED_FOR).encrypt(text.encode()).decode()

    def decrypt(self, encrypted_text):
        return keys.seal(SEALED_FOR).decrypt(encrypted_text.encode()).decode()


class SocialAccountAdapter(DefaultSocialAccountAdapter):
    def list_apps(self, request, provider=None, client_id=None):
        """The one provider that the settings name; never one that stands in the database."""
        sso = settings.SSO
        if not sso["issuer"]:
            return []
        how = {"server_url": sso["issuer"], "scope": sso["scopes"], "oauth_pkce_enabled": True}
        app = SocialApp(provider="openid_connect", provider_id=sso["issuer"], name=sso["name"], settings=how)
        app.client_id, app.secret = sso["client_id"], sso["client_secret"]
        return [app]

    def get_requests_session(self):
        """A provider answers by itself: whoever sends the portal elsewhere isn't followed."""
        session = super().get_requests_session()
        session.verify = settings.SSO["ca_file"] or True
        session.max_redirects = 0
        return session
