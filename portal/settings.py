"""The settings of the portal. docs/operations.md says what each environment variable means.

AFTERWORD_MODE is "production", "development", "demo" or "test". The default is "production". In production,
the server does not start if a setting is missing or unsafe. portal/checks.py then says what to fix.
"""

from datetime import timedelta
from pathlib import Path

import django
from django.core.files.storage import FileSystemStorage
from django.utils.translation import gettext_lazy as _

from portal.env import (
    env,
    env_database,
    env_flag,
    env_ils,
    env_list,
    env_mail_server,
    env_mailbox,
    env_number,
    env_pairs,
    env_single_sign_on,
)
from portal.logs import log_config

BASE_DIR = Path(__file__).resolve().parent.parent
DATA_DIR = BASE_DIR / (env("DATA_DIR") or "var")
# How long backups are kept, as the privacy page promises. `manage.py backup` deletes older backups.
BACKUPS_KEPT = timedelta(days=env_number("BACKUPS_KEPT_DAYS", 30, least=1))

MODE = env("AFTERWORD_MODE", "production")
DEMO = env_flag("DEMO", default=MODE == "demo")
DEBUG = env_flag("DEBUG", default=MODE == "development")
LOCAL = MODE in {"development", "demo", "test"}  # If true, the portal may run without https.

SECRET_KEY = env("SECRET_KEY", "not-a-secret: only for development, demo and tests" if LOCAL else "")
# Earlier secret keys. Codes, sessions and authenticator apps that were made with them stay valid.
SECRET_KEY_FALLBACKS = env_list("SECRET_KEY_FALLBACKS")
BASE_URL = env("BASE_URL", "http://localhost:8000" if LOCAL else "").rstrip("/")
ALLOWED_HOSTS = env_list("ALLOWED_HOSTS", "localhost,127.0.0.1,[::1],testserver" if LOCAL else "")
CSRF_TRUSTED_ORIGINS = env_list("CSRF_TRUSTED_ORIGINS")
HEALTH_TOKEN = env("HEALTH_TOKEN")  # Requests with this token get the details of /readyz.

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
    # The app for single sign-on is always installed, so that its rows can be erased even after a library ends
    # single sign-on.
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "django_htmx",
    "accounts",
    "recommendations",
    "portal",
    "portal.notifications",
    "portal.helpsessions",
    "portal.lists",
    "portal.conversations",
    "portal.checkins",
    "portal.incoming",
    "portal.kits",
    "portal.counts",
    "portal.surveys",
    "portal.imports",
    "portal.privacy",
    "portal.home",
    "portal.desk",
    "portal.api",
]
if DEMO:
    INSTALLED_APPS.append("portal.demo")

TEMPLATE_LOADERS = [
    (
        "django.template.loaders.cached.Loader",
        ["portal.template_loader.Loader", "django.template.loaders.app_directories.Loader"],
    )
]
TEMPLATE_TAGS = ["portal.templatetags.portal", "portal.templatetags.fixed"]
if django.VERSION < (6, 0):
    # Django has its own template partials from version 6.0 on. In older versions, the package
    # template_partials adds the same tags and the same syntax "page.html#part".
    INSTALLED_APPS.append("template_partials.apps.SimpleAppConfig")
    TEMPLATE_LOADERS = [("template_partials.loader.Loader", TEMPLATE_LOADERS)]
    TEMPLATE_TAGS.append("template_partials.templatetags.partials")

MIDDLEWARE = [
    "portal.headers.RequestLogMiddleware",
    "portal.headers.SecurityHeadersMiddleware",
    "portal.api.problems.ApiMiddleware",
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
    "accounts.sign_in.kept_devices.KeptDeviceMiddleware",
    "portal.conversations.viewer.ViewerMiddleware",
    "accounts.staff.desk_lock.SharedDeskMiddleware",
    "accounts.middleware.SecondFactorMiddleware",
    "portal.notifications.desk_use.DeskUseMiddleware",
    "portal.errors.TooOftenMiddleware",
    "accounts.middleware.EndedMeanwhileMiddleware",
]

ROOT_URLCONF = "portal.urls"
# The portal is always at the root of its host. Some web servers take SCRIPT_NAME from a header of the
# request, so Django must ignore it.
FORCE_SCRIPT_NAME = ""
WSGI_APPLICATION = "portal.wsgi.application"

# Our renderer needs no template for most form fields, so the record form takes an eighth less time.
FORM_RENDERER = "portal.form_renderer.FormRenderer"

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

SQLITE_SYNCHRONOUS = env("SQLITE_SYNCHRONOUS", "normal")
DATABASES = {
    "default": env_database(
        "DATABASE_URL", f"sqlite:///{DATA_DIR}/afterword.sqlite3", synchronous=SQLITE_SYNCHRONOUS
    )
}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # Browser tests need a database file, because connections to an in-memory database lock each other.
    DATABASES["default"]["TEST"] = {"NAME": str(DATA_DIR / "test.sqlite3")}
DATABASES["default"]["CONN_MAX_AGE"] = None
DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# The cache is a database table, because all processes must share allauth's count of wrong codes and our list
# of used codes. MAX_ENTRIES is so high that Django never deletes a row before it expires.
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
# allauth counts the wrong codes of an authenticator app. At any moment, three of a million codes work. A
# limit of five tries every five minutes is not enough, so there is also a limit per day. portal/limits.py has
# all other limits.
ACCOUNT_RATE_LIMITS = {"login_failed": "30/m/ip,5/5m/key,30/d/key"}
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_LOGOUT_ON_GET = False
ACCOUNT_EMAIL_NOTIFICATIONS = False
ACCOUNT_PRESERVE_USERNAME_CASING = False
ALLAUTH_TRUSTED_PROXY_COUNT = env_number("TRUSTED_PROXY_COUNT", 0)
# Every response of the sign-in page takes this many seconds, or a multiple of this time. So strangers can't
# measure whether an address is known. Creating a person for an unknown address takes 1 ms longer, or 30 ms on
# a busy machine.
SIGN_IN_SECONDS = 0.25
MFA_ADAPTER = "accounts.adapter.MFAAdapter"
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
# The clock of a phone may be a little wrong, so the codes just before and after the current one work too.
# Each code still works only once, see accounts/forms/second_factor.py.
MFA_TOTP_TOLERANCE = 1
USERSESSIONS_TRACK_ACTIVITY = False

# The library's own system (accounts/ils/), for sign-in with library card and PIN. If ILS is empty, the
# sign-in page does not mention cards.
ILS = env("ILS", "demo" if DEMO else "")
# The time limit, in seconds, for all requests to the ILS during one sign-in.
ILS_TIMEOUT = env_number("ILS_TIMEOUT", 6)
# The pairs of a branch code and a branch that an earlier version of the portal read. A migration of the app
# `accounts` copies them to the table of branch codes. Nothing else reads them.
ILS_BRANCHES = env_pairs("ILS_BRANCHES")
ILS_SETTINGS = env_ils(ILS, timeout=ILS_TIMEOUT)

# Single sign-on of a campus or a city (accounts/sign_in/single_sign_on.py). If the issuer is empty, the
# sign-in page does not mention single sign-on.
SSO: dict = env_single_sign_on()
SOCIALACCOUNT_ADAPTER = "accounts.adapter.SocialAccountAdapter"
# An email address from the provider of single sign-on does not prove who the person is.
SOCIALACCOUNT_EMAIL_AUTHENTICATION = False
SOCIALACCOUNT_STORE_TOKENS = False
SOCIALACCOUNT_REQUESTS_TIMEOUT = 5  # The time limit for a request to the sign-in provider, in seconds.

BORROWED_DEVICE_HOURS = 2  # A sign-in on a borrowed device lasts at most this long.
SESSION_ENGINE = "accounts.sessions"
# A sign-in lasts 400 days, because a patron without an email address may have no way to sign in again.
SESSION_COOKIE_AGE = 60 * 60 * 24 * 400
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_SAMESITE = "Lax"
CSRF_FAILURE_VIEW = "portal.errors.csrf_failure"
# The prefix __Host- stops other hosts of the same domain from setting our cookies. It works only over https.
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
SILENCED_SYSTEM_CHECKS = [
    "security.W009",  # Silenced, because our check afterword.E002 reports a weak SECRET_KEY.
    "security.W020",  # Silenced, because our check afterword.E006 reports an empty ALLOWED_HOSTS.
    "security.W002",  # Silenced, because portal/headers.py already sends X-Frame-Options.
    "templates.W003",  # Silenced, because portal/templatetags/i18n.py replaces Django's tags on purpose.
]

# The maximum sizes of request bodies, including files. 6 MB is enough for the library's logo (5 MB), and 11
# MB for one attachment (10 MB). Without JavaScript, all attachments arrive together with the message. A desk
# log can have 40 MB.
MEGABYTE = 1024 * 1024
MAX_BODY_BYTES = 6 * MEGABYTE
MAX_FILE_BODY_BYTES = 11 * MEGABYTE
MAX_MESSAGE_BODY_BYTES = 50 * MEGABYTE
MAX_LOG_BODY_BYTES = 41 * MEGABYTE
MAX_BODY_BYTES_BY_URL = {
    "attach": MAX_FILE_BODY_BYTES,
    "desk_attach": MAX_FILE_BODY_BYTES,
    "reply": MAX_MESSAGE_BODY_BYTES,
    "desk_reply": MAX_MESSAGE_BODY_BYTES,
    "ask": MAX_MESSAGE_BODY_BYTES,
    "ask_about_session": MAX_MESSAGE_BODY_BYTES,
    "ask_about_item": MAX_MESSAGE_BODY_BYTES,
    "desk_logs": MAX_LOG_BODY_BYTES,
}
FILE_UPLOAD_HANDLERS = [
    "portal.uploads.UploadLimitHandler",
    "django.core.files.uploadhandler.MemoryFileUploadHandler",
    "portal.uploads.DiskUploadHandler",
]
# If a request has a single file, the file stays in memory until portal.files has checked it.
FILE_UPLOAD_MAX_MEMORY_SIZE = MAX_FILE_BODY_BYTES
DATA_UPLOAD_MAX_MEMORY_SIZE = 4 * MEGABYTE
DATA_UPLOAD_MAX_NUMBER_FIELDS = 1000

MAIL_FOLDER = DATA_DIR / "mail"  # The demo's worker saves emails as files in this folder.
DELIVERY_EMAIL_BACKEND = env("DELIVERY_EMAIL_BACKEND") or {
    "development": "django.core.mail.backends.console.EmailBackend",
    "demo": "django.core.mail.backends.filebased.EmailBackend",
    "test": "django.core.mail.backends.locmem.EmailBackend",
}.get(MODE, "django.core.mail.backends.smtp.EmailBackend")
MAIL_SERVER = env_mail_server()
# The mailer "default" saves each email as a row in the outbox. The worker then sends the email with the
# mailer "delivery".
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
    # Django 6.1 and later read MAILERS and refuse the settings below. Older releases don't read MAILERS, so
    # they need these settings.
    EMAIL_BACKEND = MAILERS["default"]["BACKEND"]
    EMAIL_HOST, EMAIL_PORT = MAIL_SERVER["host"], MAIL_SERVER["port"]
    EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = MAIL_SERVER["username"], MAIL_SERVER["password"]
    EMAIL_USE_TLS, EMAIL_USE_SSL = MAIL_SERVER["use_tls"], MAIL_SERVER["use_ssl"]
    EMAIL_TIMEOUT = MAIL_SERVER["timeout"]
DEFAULT_FROM_EMAIL = env("MAIL_FROM", "library@localhost" if LOCAL else "")
SERVER_EMAIL = DEFAULT_FROM_EMAIL
# The address to which people answer emails. For example, "reply@library.example", or "@reply.library.example"
# if the portal gets the emails to all addresses of that domain. If it is empty, people can't answer by email.
REPLY_ADDRESS = env("REPLY_ADDRESS", "reply@library.example.org" if MODE == "demo" else "").strip()
# The mailbox that the worker reads. If it is empty, the mail server must pass each email to `manage.py
# receive_mail`.
IMAP = env_mailbox("IMAP_URL", password=env("IMAP_PASSWORD"))

# The key for push messages, which `manage.py push_keys` makes. Without a key, no page mentions push messages.
PUSH_PRIVATE_KEY = env("PUSH_PRIVATE_KEY").strip()
DEMO_PUSH_KEY_FILE = DATA_DIR / "demo-push-key"  # The file with the demo's push key, which build_demo makes.
if DEMO and not PUSH_PRIVATE_KEY and DEMO_PUSH_KEY_FILE.exists():
    PUSH_PRIVATE_KEY = DEMO_PUSH_KEY_FILE.read_text().strip()
# Where the push services can reach the library: an https address, or "mailto:" and an email address.
PUSH_SUBJECT = env("PUSH_SUBJECT", "mailto:library@example.org" if MODE == "demo" else BASE_URL).strip()
# The push services of Google, Mozilla, Apple and Microsoft. Every browser uses one of them.
PUSH_HOSTS = env_list(
    "PUSH_HOSTS",
    "fcm.googleapis.com,updates.push.services.mozilla.com,*.push.apple.com,*.notify.windows.com",
)
# Whether push messages may go to a server on this machine. Only tests need this.
PUSH_LOCAL = env_flag("PUSH_LOCAL")

# The https address of another system, to which the worker sends events, and the secret that signs them:
# "whsec_" and at least 24 bytes in base64. If the address is empty, nothing is sent.
WEBHOOK_URL = env("WEBHOOK_URL").strip()
WEBHOOK_SECRET = env("WEBHOOK_SECRET").strip()

# The https address, with {isbn}, at which the worker asks for real covers. If it is empty, the portal draws
# every cover.
COVER_URL = env("COVER_URL").strip()
# The MARC field and subfields with the copies of a title (portal/imports/readers/marc_holdings.py). If it is
# empty, Koha's 952 and the standard 852 are read.
IMPORT_HOLDINGS = env("IMPORT_HOLDINGS").strip()
# The address at which the title of a DOI is looked up, with {doi} in the place of the DOI. If
# it is empty, nothing is looked up.
DOI_RESOLVER = env("DOI_RESOLVER").strip()

# The address of the library's own OAI-PMH server, from which the worker harvests the catalog at night. If it
# is empty, nothing is harvested.
OAI_URL = env("OAI_URL").strip()
OAI_PREFIX = env("OAI_PREFIX", "marc21").strip()
# If OAI_SETS is empty, all records are harvested. OAI_SOURCE is like the option --source of import_items.
OAI_SETS = env_list("OAI_SETS")
OAI_SOURCE = env("OAI_SOURCE", "catalogue").strip()
OAI_CA_FILE = env("OAI_CA_FILE").strip()

LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English")), ("es", _("Spanish"))]
LOCALE_PATHS = [BASE_DIR / "locale"]
USE_I18N = True
USE_TZ = True
TIME_ZONE = "UTC"  # The module accounts.middleware activates the library's own time zone.

STATIC_URL = "static/"
STATIC_ROOT = None if MODE == "test" else DATA_DIR / "static"
# If true, the server finds static files in their source folders, so collectstatic isn't needed.
WHITENOISE_USE_FINDERS = MODE in {"development", "test"}
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    # No file is public. All uploads go to "private".
    "default": {"BACKEND": "django.core.files.storage.InMemoryStorage"},
    "private": {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {
            "location": DATA_DIR / "private",
            "file_permissions_mode": 0o600,
            "directory_permissions_mode": 0o700,
        },
    },
    "staticfiles": {
        "BACKEND": "portal.static_files.StaticFiles",
        # The list of all static files is stored beside their folder, because everything in the folder is
        # public.
        "OPTIONS": {"manifest_storage": FileSystemStorage(DATA_DIR, file_permissions_mode=0o644)},
    },
}
if MODE in {"development", "test"}:
    STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}

LOGGING = log_config("INFO" if MODE == "production" else "WARNING")
