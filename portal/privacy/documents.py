"""Generate the tables in docs/privacy.md and docs/who-sees-what.md from policy.py and who_sees_what.py."""

import re

from django.conf import settings
from django.utils import translation

from .policy import POLICY
from .policy_lines.line import Group, in_words
from .who_sees_what import SEEN_BY, Role

DOCS = settings.BASE_DIR / "docs"
BEGIN, END = "<!-- made by manage.py policy_docs -->", "<!-- until here -->"
MADE = re.compile(f"{BEGIN}\n.*?{END}", re.DOTALL)


def documents():
    """Return {path: text} for the documents with a generated table. Each text contains the current table."""
    with translation.override("en"):
        made = {DOCS / "privacy.md": _privacy_table(), DOCS / "who-sees-what.md": _roles_table()}
    return {
        path: MADE.sub(lambda _, text=text: f"{BEGIN}\n{text}\n{END}", path.read_text("utf-8"))
        for path, text in made.items()
    }


def _privacy_table():
    lines = []
    for group in Group:
        lines += [
            f"**{group.value}**",
            "",
            "| table | what | how long | why | in a person's export |",
            "|---|---|---|---|---|",
        ]
        for label, line in POLICY.items():
            if line.group == group:
                cells = [
                    f"`{label}`",
                    line.keeps,
                    line.until_when,
                    line.why,
                    "yes" if line.exported else "",
                ]
                lines.append("| " + " | ".join(str(cell) for cell in cells) + " |")
        lines.append("")
    kept = in_words(settings.BACKUPS_KEPT)
    lines.append(f"Backups contain all of it and are kept {kept}, or as `BACKUPS_KEPT_DAYS` says.")
    return "\n".join(lines)


def _roles_table():
    head = ["| | " + " | ".join(role.value for role in Role) + " |", "|---" * (len(Role) + 1) + "|"]
    rows = [
        f"| **{group.value}** | " + " | ".join(seen.get(role, "no") for role in Role) + " |"
        for group, seen in SEEN_BY.items()
    ]
    return "\n".join(head + rows)
