"""Mailers for tests, set alike on every Django."""

import django

OUTBOX = "portal.notifications.outbox.EmailBackend"
SMTP = "django.core.mail.backends.smtp.EmailBackend"
FILES = "django.core.mail.backends.filebased.EmailBackend"


def use_outbox(settings):
    """Write mail to the portal's outbox. Django's test runner has put `mail.outbox` in its place."""
    settings.MAILERS = {**settings.MAILERS, "default": {"BACKEND": OUTBOX}}
    if django.VERSION < (6, 1):
        settings.EMAIL_BACKEND = OUTBOX


def deliver_by(settings, backend, **options):
    """Let the worker send mail by this backend. Options given by an earlier call for it stay."""
    now = settings.MAILERS["delivery"]
    kept = now.get("OPTIONS", {}) if now["BACKEND"] == backend else {}
    settings.MAILERS = {**settings.MAILERS, "delivery": {"BACKEND": backend, "OPTIONS": {**kept, **options}}}
