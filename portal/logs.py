"""How a line of the log is written: JSON, without secrets."""

import contextvars
import json
import logging
import re
from datetime import UTC, datetime

request_id = contextvars.ContextVar("request_id", default="")

SECRETS = [
    # What PostgreSQL quotes of a row or a query, which may be anybody's words.
    (
        re.compile(
            r"(?ms)^(LINE \d+|DETAIL|CONTEXT):.*?(?=\n\n(?:The above exception was|During handling of)|\Z)"
        ),
        r"\1: …",
    ),
    (
        re.compile(r"(?<!\d)\d{4}(?:\D{0,3}\d{3}){3}(?!\d)"),
        "…",
    ),  # a claim code, whatever stands between its digits
    (re.compile(r"(?i)/c/[^\s?\"'][^?\"'\n]*"), "/c/…"),  # whatever was typed as one, to the end of the path
    (re.compile(r"\?[^\s\"']*=[^\s\"']*"), "?…"),  # a query
    (
        re.compile(
            r"(?<![\w-])(?=[\w-]*\d)(?![0-9a-f]{8}-[0-9a-f]{4}-)(?![0-9a-f]{32}\b)[\w-]{22,}", re.ASCII
        ),
        "…",
    ),  # a token; ids of rows and requests stay
]


def redacted(text):
    for pattern, instead in SECRETS:
        text = pattern.sub(instead, text)
    return text


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
