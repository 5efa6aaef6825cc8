"""One file, read from the environment. What each variable means: docs/operations.md.

AFTERWORD_MODE is "production" unless it says "development", "demo" or "test". Production fails closed: portal/checks.py
turns every missing or dangerous setting into an error that says how to mend it.
"""

import os
from datetime import timedelta
from pathlib import Path

import dj_database_url
import django
from django.utils.translation import gettext_lazy as _


def env_list(name, default=""):
    return [part.strip() for part in os.environ.get(name, default).split(",") if part.strip()]


MALFORMED = []  # names of the variables that hold no number where one belongs; portal/checks.py reports them


def env_number(name, default, *, least=0):
    try:
        number = int(os.environ.get(name) or default)
    except ValueError:
        number = least - 1
    if number < least:
        MALFORMED.append(name)
        return default
    return number


def env_pairs(name):
    """{"CPL": "central"} of "CPL=central, EAST=eastside"."""
    return {
        key.strip(): value.strip() for key, _is, value in (part.partition("=") for part in env_list(name))
    }


def env_flag(name, default=False):
    return os.environ.get(name, "1" if default else "").lower() in {"1", "true", "yes", "on"}


BASE_DIR = Path(__file__).resolve().parent.parent
DATA_DIR = Path(os.environ.get("DATA_DIR", BASE_DIR / "var"))
BACKUPS_KEPT = timedelta(
    days=env_number("BACKUPS_KEPT_DAYS", 30, least=1)
)  # said on the privacy page, and kept to by manage.py backup

MODE = os.environ.get("AFTERWORD_MODE", "production")
DEMO = env_flag("DEMO", default=MODE == "demo")
DEBUG = env_flag("DEBUG", default=MODE == "development")
LOCAL = MODE in {"development", "demo", "test"}  # plain http on one's own machine is fine

SECRET_KEY = os.environ.get(
    "SECRET_KEY", "not-a-secret: only for development, demo and tests" if LOCAL else ""
)
SECRET_KEY_FALLBACKS = env_list("SECRET_KEY_FALLBACKS")  # keys of before: what was made with them still holds
BASE_URL = os.environ.get("BASE_URL", "http://localhost:8000" if LOCAL else "").rstrip("/")
ALLOWED_HOSTS = env_list("ALLOWED_HOSTS", "localhost,127.0.0.1,[::1],testserver" if LOCAL else "")
CSRF_TRUSTED_ORIGINS = env_list("CSRF_TRUSTED_ORIGINS")

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.humanize",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    "allauth.socialaccount",  # always, so that its rows can be erased also where single sign-on was given up again
    "allauth.socialaccount.providers.openid_connect",
    "django_htmx",
    "accounts",
    "recommendations",
    "portal",
    "portal.notifications",
    "portal.helpsessions",
    "portal.lists",
    "portal.conversations",
    "portal.imports",
    "portal.privacy",
    "portal.home",
    "portal.desk",
]
if DEMO:
    INSTALLED_APPS.append("portal.demo")

TEMPLATE_LOADERS = [
    (
        "django.template.loaders.cached.Loader",
        ["django.template.loaders.filesystem.Loader", "django.template.loaders.app_directories.Loader"],
    )
]
TEMPLATE_TAGS = ["portal.templatetags.portal"]
if django.VERSION < (6, 0):
    # Django has partials of its own since 6.0. The package has the same tags and the same "page.html#part".
    INSTALLED_APPS.append("template_partials.apps.SimpleAppConfig")
    TEMPLATE_LOADERS = [("template_partials.loader.Loader", TEMPLATE_LOADERS)]
    TEMPLATE_TAGS.append("template_partials.templatetags.partials")

MIDDLEWARE = [
    "portal.headers.RequestLogMiddleware",
    "portal.headers.SecurityHeadersMiddleware",
    "portal.headers.BodyLimitMiddleware",
    "portal.health.HealthMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.middleware.gzip.GZipMiddleware",
    "accounts.middleware.DeviceMiddleware",
    "accounts.middleware.LibraryMiddleware",
    "django.middleware.common.CommonMiddleware",
    "accounts.refused_post_middleware.KeepRefusedPostMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "accounts.middleware.PersonMiddleware",
    "accounts.middleware.LanguageMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "portal.conversations.viewer.ViewerMiddleware",
    "accounts.staff.desk_lock.SharedDeskMiddleware",
    "accounts.middleware.SecondFactorMiddleware",
    "portal.errors.TooOftenMiddleware",
    "accounts.middleware.EndedMeanwhileMiddleware",
]

ROOT_URLCONF = "portal.urls"
WSGI_APPLICATION = "portal.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "OPTIONS": {
            "loaders": TEMPLATE_LOADERS,
            "builtins": TEMPLATE_TAGS,
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "portal.context.page",
            ],
        },
    }
]

DATABASES = {
    "default": dj_database_url.parse(
        os.environ.get("DATABASE_URL") or f"sqlite:///{DATA_DIR}/afterword.sqlite3"
    )
}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # Measured: docs/decisions/0002-sqlite-by-default.md
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA temp_store=MEMORY; PRAGMA cache_size=-16000;",
    }
    # Browser tests need a file: several connections to the in-memory database lock each other out.
    DATABASES["default"]["TEST"] = {"NAME": str(DATA_DIR / "test.sqlite3")}
else:
    OPTIONS = DATABASES["default"].setdefault("OPTIONS", {})
    # JIT compilation pays for queries that run for seconds, and slows ours. DATABASE_URL may turn it on.
    OPTIONS.setdefault("options", "-c jit=off")
    if env_flag("PREPARED_STATEMENTS", default=True):
        # The server plans a statement once: docs/decisions/0002-sqlite-by-default.md. With 0, `migrate` fails.
        OPTIONS.update(server_side_binding=True, prepare_threshold=5)
DATABASES["default"]["CONN_MAX_AGE"] = None
DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# allauth's limit of wrong codes and our list of used ones must hold across processes. So the cache is a
# table, and large enough that no row is removed early.
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.db.DatabaseCache",
        "LOCATION": "cache",
        "OPTIONS": {"MAX_ENTRIES": 100_000},
    }
}

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["accounts.sessions.SignedIn"]
LOGIN_URL = "sign_in"
LOGIN_REDIRECT_URL = "home"

ACCOUNT_ADAPTER = "accounts.adapter.AccountAdapter"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_USER_MODEL_EMAIL_FIELD = "email"
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*"]
ACCOUNT_LOGIN_BY_CODE_ENABLED = True
ACCOUNT_LOGIN_BY_CODE_TIMEOUT = 600
ACCOUNT_LOGIN_BY_CODE_SUPPORTS_RESEND = True
ACCOUNT_EMAIL_VERIFICATION = "optional"
ACCOUNT_LOGIN_BY_CODE_MAX_ATTEMPTS = 5
ACCOUNT_EMAIL_UNKNOWN_ACCOUNTS = False
# What allauth counts itself, wrong codes of an app: of a million three are right, so five in five minutes for days would be too many.
# All else: portal/limits.py
ACCOUNT_RATE_LIMITS = {"login_failed": "30/m/ip,5/5m/key,30/d/key"}
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_LOGOUT_ON_GET = False
ACCOUNT_EMAIL_NOTIFICATIONS = False
ACCOUNT_PRESERVE_USERNAME_CASING = False
ALLAUTH_TRUSTED_PROXY_COUNT = env_number("TRUSTED_PROXY_COUNT", 0)
MFA_ADAPTER = "accounts.adapter.MFAAdapter"
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
# Clocks of phones are a little off. accounts.forms.second_factor.refuse_reused_code accepts each code only once.
MFA_TOTP_TOLERANCE = 1
USERSESSIONS_TRACK_ACTIVITY = False

# The library's own system of patrons (accounts/ils/): sign-in with card and PIN. Without it the page says nothing of cards.
ILS = os.environ.get("ILS", "demo" if DEMO else "")
ILS_TIMEOUT = env_number("ILS_TIMEOUT", 6)  # seconds for everything that one sign-in asks
ILS_BRANCHES = env_pairs("ILS_BRANCHES")
ILS_SETTINGS = {
    "sip2": {
        "host": os.environ.get("SIP2_HOST", ""),
        "port": env_number("SIP2_PORT", 6001),
        "tls": env_flag("SIP2_TLS"),
        "ca_file": os.environ.get("SIP2_CA_FILE", ""),
        "login": os.environ.get("SIP2_LOGIN", ""),
        "password": os.environ.get("SIP2_PASSWORD", ""),
        "location": os.environ.get("SIP2_LOCATION", ""),
        "institution": os.environ.get("SIP2_INSTITUTION", ""),
        "terminal_password": os.environ.get("SIP2_TERMINAL_PASSWORD", ""),
        "charset": os.environ.get("SIP2_CHARSET", "cp850"),
        "error_detection": env_flag("SIP2_ERROR_DETECTION", default=True),
        "id_field": os.environ.get("SIP2_ID_FIELD", "AA"),
        "group_field": os.environ.get("SIP2_GROUP_FIELD", "PC"),
        "branch_field": os.environ.get("SIP2_BRANCH_FIELD", "AQ"),
        "expires_field": os.environ.get("SIP2_EXPIRES_FIELD", "PA"),
        "timeout": ILS_TIMEOUT,
        "card_has_letters": env_flag("CARD_HAS_LETTERS"),
        "pin_has_letters": env_flag("PIN_HAS_LETTERS"),
    },
    "koha": {
        "url": os.environ.get("KOHA_URL", ""),
        "ca_file": os.environ.get("KOHA_CA_FILE", ""),
        "user": os.environ.get("KOHA_USER", ""),
        "password": os.environ.get("KOHA_PASSWORD", ""),
        "client_id": os.environ.get("KOHA_CLIENT_ID", ""),
        "client_secret": os.environ.get("KOHA_CLIENT_SECRET", ""),
        "timeout": ILS_TIMEOUT,
        "card_has_letters": env_flag("CARD_HAS_LETTERS"),
        "pin_has_letters": env_flag("PIN_HAS_LETTERS", default=True),
    },
}.get(ILS, {})

# Single sign-on of a campus or a city (accounts/sign_in/single_sign_on.py). Without an issuer the portal says nothing of it.
SSO: dict = {
    "name": os.environ.get("SSO_NAME", "").strip(),
    "issuer": os.environ.get("SSO_ISSUER", "").strip().rstrip("/"),
    "client_id": os.environ.get("SSO_CLIENT_ID", "").strip(),
    "client_secret": os.environ.get("SSO_CLIENT_SECRET", "").strip(),
    "scopes": os.environ.get("SSO_SCOPES", "openid profile email").split(),
    "proven_domains": [domain.lower() for domain in env_list("SSO_PROVEN_DOMAINS")],
    "ca_file": os.environ.get("SSO_CA_FILE", ""),
}
SOCIALACCOUNT_ADAPTER = "accounts.adapter.SocialAccountAdapter"
SOCIALACCOUNT_EMAIL_AUTHENTICATION = False  # an address alone never opens a record
SOCIALACCOUNT_STORE_TOKENS = False
SOCIALACCOUNT_REQUESTS_TIMEOUT = 5  # seconds for each of the three or four questions of a sign-in

BORROWED_DEVICE_HOURS = 2  # how long a sign-in lasts at most on a phone that isn't one's own
SESSION_ENGINE = "accounts.sessions"
SESSION_COOKIE_AGE = (
    60 * 60 * 24 * 400
)  # a person without e-mail has nothing but this device to come back with
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_SAMESITE = "Lax"
CSRF_FAILURE_VIEW = "portal.errors.csrf_failure"
# No other host, not even of the same domain, can set a cookie of ours; browsers keep such names on https alone.
COOKIE_PREFIX = "" if LOCAL else "__Host-"
SESSION_COOKIE_NAME = COOKIE_PREFIX + "sessionid"
CSRF_COOKIE_NAME = COOKIE_PREFIX + "csrftoken"
LANGUAGE_COOKIE_NAME = COOKIE_PREFIX + "language"
MESSAGE_STORAGE = "portal.notices.NoticeStorage"
if not LOCAL:
    SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = True
    LANGUAGE_COOKIE_SECURE = True
    SECURE_SSL_REDIRECT = True
    SECURE_HSTS_SECONDS = 31_536_000
    SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    SECURE_HSTS_PRELOAD = True
    if ALLAUTH_TRUSTED_PROXY_COUNT:
        SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_REFERRER_POLICY = "same-origin"
SILENCED_SYSTEM_CHECKS = ["security.W002"]  # X-Frame-Options is sent by portal.headers
MOST_BYTES_OF_A_REQUEST = 6 * 1024 * 1024  # files included: the library's logo has 5 MB at most
MOST_BYTES_OF_ONE_FILE = 11 * 1024 * 1024  # 10 MB and what goes with it
MOST_BYTES_OF_A_MESSAGE = 50 * 1024 * 1024  # with its files, where no script sends these one by one
MOST_BYTES_BY_URL = {"attach": MOST_BYTES_OF_ONE_FILE, "desk_attach": MOST_BYTES_OF_ONE_FILE} | dict.fromkeys(
    ["reply", "desk_reply", "ask", "ask_about_session", "ask_about_item"], MOST_BYTES_OF_A_MESSAGE
)
FILE_UPLOAD_HANDLERS = [
    "portal.uploads.FewFiles",
    "django.core.files.uploadhandler.MemoryFileUploadHandler",
    "portal.uploads.OnDisk",
]
FILE_UPLOAD_MAX_MEMORY_SIZE = (
    MOST_BYTES_OF_ONE_FILE  # one file never touches the disk before it is known what it is
)
DATA_UPLOAD_MAX_MEMORY_SIZE = 4 * 1024 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 1000

MAIL_FOLDER = DATA_DIR / "mail"  # where the demo's worker delivers mail, as files
DELIVERY_EMAIL_BACKEND = os.environ.get("DELIVERY_EMAIL_BACKEND") or {
    "development": "django.core.mail.backends.console.EmailBackend",
    "demo": "django.core.mail.backends.filebased.EmailBackend",
    "test": "django.core.mail.backends.locmem.EmailBackend",
}.get(MODE, "django.core.mail.backends.smtp.EmailBackend")
MAIL_SERVER = {
    "host": os.environ.get("EMAIL_HOST", "localhost"),
    "port": env_number("EMAIL_PORT", 25),
    "username": os.environ.get("EMAIL_HOST_USER", ""),
    "password": os.environ.get("EMAIL_HOST_PASSWORD", ""),
    "use_tls": env_flag("EMAIL_USE_TLS"),
    "use_ssl": env_flag("EMAIL_USE_SSL"),
    "timeout": 20,
}
# Mail that the portal sends becomes rows of the outbox. The worker sends each row by the mailer "delivery".
MAILERS: dict = {
    "default": {"BACKEND": "portal.notifications.outbox.EmailBackend"},
    "delivery": {
        "BACKEND": DELIVERY_EMAIL_BACKEND,
        "OPTIONS": {
            "django.core.mail.backends.smtp.EmailBackend": MAIL_SERVER,
            "django.core.mail.backends.filebased.EmailBackend": {"file_path": MAIL_FOLDER},
        }.get(DELIVERY_EMAIL_BACKEND, {}),
    },
}
if django.VERSION < (6, 1):
    # Django reads MAILERS since 6.1 and then refuses the names below. Older Django takes its own backend from them,
    # and a subclass of its SMTP backend takes the server from them.
    EMAIL_BACKEND = MAILERS["default"]["BACKEND"]
    EMAIL_HOST, EMAIL_PORT = MAIL_SERVER["host"], MAIL_SERVER["port"]
    EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = MAIL_SERVER["username"], MAIL_SERVER["password"]
    EMAIL_USE_TLS, EMAIL_USE_SSL = MAIL_SERVER["use_tls"], MAIL_SERVER["use_ssl"]
    EMAIL_TIMEOUT = MAIL_SERVER["timeout"]
DEFAULT_FROM_EMAIL = os.environ.get("MAIL_FROM", "library@localhost" if LOCAL else "")
SERVER_EMAIL = DEFAULT_FROM_EMAIL

LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English")), ("es", _("Spanish"))]
LOCALE_PATHS = [BASE_DIR / "locale"]
USE_I18N = True
USE_TZ = True
TIME_ZONE = "UTC"  # of the server; people see the library's own zone (accounts.middleware)

STATIC_URL = "static/"
STATIC_ROOT = None if MODE == "test" else DATA_DIR / "static"
WHITENOISE_USE_FINDERS = MODE in {"development", "test"}  # nothing has to be collected there
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {
        "BACKEND": "django.core.files.storage.InMemoryStorage"
    },  # nothing is public: uploads go to "private"
    "private": {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": DATA_DIR / "private"},
    },
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if MODE in {"development", "test"}
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": "portal.logs.JsonFormatter"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "json"}},
    "root": {"handlers": ["console"], "level": "INFO" if MODE == "production" else "WARNING"},
    "loggers": {
        "django": {"handlers": [], "propagate": True},
        "django.security.DisallowedHost": {
            "level": "CRITICAL"
        },  # scanners: no fault of ours, and no trace a request for anybody who asks
        "django.request": {"level": "ERROR"},  # what was refused stands in the request's own line
        "django.server": {"handlers": [], "propagate": True, "level": "ERROR"},
        "fido2": {"level": "WARNING"},  # it would name each passkey that is shown
    },
}
