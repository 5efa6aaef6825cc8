"""Write each line of the log as JSON, without secrets."""

import contextvars
import json
import logging
import re
from datetime import UTC, datetime

request_id = contextvars.ContextVar("request_id", default="")

SECRETS = [
    # If PostgreSQL quotes a row or query in an error, the quote can contain what a patron wrote.
    (
        re.compile(
            r"(?ms)^(LINE \d+|DETAIL|CONTEXT):.*?(?=\n\n(?:The above exception was|During handling of)|\Z)"
        ),
        r"\1: …",
    ),
    # Matches a claim code, which may have spaces or hyphens between its digits.
    (re.compile(r"(?<!\d)\d{4}(?:\D{0,3}\d{3}){3}(?!\d)"), "…"),
    # Matches the secret end of a path: a code that a person typed, or the token of a link in an email.
    (
        re.compile(r"(?i)/(c|how|shared|invitation|not-me|unsubscribe)/[^\s?\"'][^?\"'\n]*"),
        r"/\1/…",
    ),
    # Matches the query string of a URL.
    (re.compile(r"\?[^\s\"']*=[^\s\"']*"), "?…"),
    # Matches a token, but no id of a row or a request, because such an id helps to find an error.
    (
        re.compile(
            r"(?<![\w-])(?=[\w-]*\d)(?![0-9a-f]{8}-[0-9a-f]{4}-)(?![0-9a-f]{32}\b)[\w-]{22,}", re.ASCII
        ),
        "…",
    ),
]


def log_config(level):
    """Return the setting LOGGING. `level` is the lowest level that is logged if a logger sets none."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": "portal.logs.JsonFormatter"}},
        "filters": {"warning_without_trace": {"()": "portal.logs.WarningWithoutTrace"}},
        "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "json"}},
        "root": {"handlers": ["console"], "level": level},
        "loggers": {
            "django": {"handlers": [], "propagate": True},
            # Scanners send requests with wrong hosts, which would fill the log with tracebacks.
            "django.security.DisallowedHost": {"level": "CRITICAL"},
            # A form with too much data is no error of the portal, so log it without a traceback.
            **{
                f"django.security.{name}": {"filters": ["warning_without_trace"]}
                for name in ("RequestDataTooBig", "TooManyFieldsSent", "TooManyFilesSent")
            },
            # Leave out Django's warnings about refused requests. RequestLogMiddleware logs their status.
            "django.request": {"level": "ERROR"},
            "django.server": {"handlers": [], "propagate": True, "level": "ERROR"},
            # Don't log bibtexparser's warnings, because they quote the text that staff pasted. The page for
            # pasted records shows each fault.
            "bibtexparser": {"level": "CRITICAL"},
            # At the level INFO, fido2 would log each passkey.
            "fido2": {"level": "WARNING"},
        },
    }


def redacted(text):
    """Return the text with "…" in place of everything that may be secret."""
    for pattern, replacement in SECRETS:
        text = pattern.sub(replacement, text)
    return text


class WarningWithoutTrace(logging.Filter):
    """Log a refused request as a warning without a traceback, because our code has no fault."""

    def filter(self, record):
        record.levelno, record.levelname = logging.WARNING, "WARNING"
        record.exc_info = None
        return True


class JsonFormatter(logging.Formatter):
    def format(self, record):
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": redacted(record.getMessage()),
        }
        if request_id.get():
            line["request_id"] = request_id.get()
        for name, value in getattr(record, "facts", {}).items():
            line[name] = redacted(value) if isinstance(value, str) else value
        if record.exc_info:
            line["trace"] = redacted(self.formatException(record.exc_info))
        return json.dumps(line, ensure_ascii=False)
