"""Choose how a test sends email. The functions work with every supported version of Django."""

import django

OUTBOX = "portal.notifications.outbox.EmailBackend"
SMTP = "django.core.mail.backends.smtp.EmailBackend"
FILES = "django.core.mail.backends.filebased.EmailBackend"


def use_outbox(settings):
    """Make Django write emails to the portal's outbox. By default, tests write them to `mail.outbox`."""
    settings.MAILERS = {**settings.MAILERS, "default": {"BACKEND": OUTBOX}}
    if django.VERSION < (6, 1):
        settings.EMAIL_BACKEND = OUTBOX


def deliver_by(settings, backend, **options):
    """Make the worker send emails through `backend`. Earlier `options` for the same backend are kept."""
    now = settings.MAILERS["delivery"]
    kept = now.get("OPTIONS", {}) if now["BACKEND"] == backend else {}
    settings.MAILERS = {**settings.MAILERS, "delivery": {"BACKEND": backend, "OPTIONS": {**kept, **options}}}
