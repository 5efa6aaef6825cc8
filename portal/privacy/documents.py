"""What docs/ says of the policy, made from it: the table of docs/privacy.md and the matrix of docs/who-sees-what.md."""

import re

from django.conf import settings
from django.utils import translation

from .policy import POLICY, SEEN_BY, Group, Role, in_words

DOCS = settings.BASE_DIR / "docs"
BEGIN, END = "<!-- made by manage.py policy_docs -->", "<!-- until here -->"
MADE = re.compile(f"{BEGIN}\n.*?{END}", re.DOTALL)
TITLES = {
    Group.PARTS: "Parts of the rows above",
    Group.STAFF: "About the staff",
    Group.LIBRARY: "The library itself, nothing about anybody",
}


def documents():
    """{path: its whole text as it ought to be}."""
    with translation.override("en"):
        made = {DOCS / "privacy.md": _table(), DOCS / "who-sees-what.md": _matrix()}
    return {
        path: MADE.sub(lambda _, text=text: f"{BEGIN}\n{text}\n{END}", path.read_text("utf-8"))
        for path, text in made.items()
    }


def _table():
    lines = []
    for group in Group:
        lines += [
            f"**{TITLES.get(group, group.value)}**",
            "",
            "| table | what | until | why | in a person's copy |",
            "|---|---|---|---|---|",
        ]
        for label, line in POLICY.items():
            if line.group == group:
                lines.append(
                    f"| `{label}` | {line.keeps} | {line.until_when} | {line.why} | {'yes' if line.exported else ''} |"
                )
        lines.append("")
    kept = in_words(settings.BACKUPS_KEPT)
    return "\n".join(
        [*lines, f"Backups hold all of it and live {kept}, unless `BACKUPS_KEPT_DAYS` says otherwise."]
    )


def _matrix():
    head = ["| | " + " | ".join(role.value for role in Role) + " |", "|---" * (len(Role) + 1) + "|"]
    rows = [
        f"| **{TITLES.get(group, group.value)}** | "
        + " | ".join(seen.get(role, "no") for role in Role)
        + " |"
        for group, seen in SEEN_BY.items()
    ]
    return "\n".join(head + rows)
