"""Texts that say what an erasure deletes and what it doesn't delete.

The page that asks for confirmation and the receipt show these texts.
"""

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

# The keys of Erasure.counts, in the order that pages show them.
ERASED_KINDS = [
    "visits",
    "recommendations",
    "conversations",
    "messages",
    "attachments",
    "drafts",
    "lists",
    "list_items",
    "consents",
    "mails",
    "sign_ins",
]
# The keys of Erasure.counts for rows that are not erased. These rows stay in a child's visit, without a name.
KEPT_KINDS = ["messages_left", "visits_left"]


def in_words(counts):
    """Return a text for each kind of row that is erased, and a text for the account itself."""
    lines = [_line(kind, counts[kind]) for kind in ERASED_KINDS if kind in counts]
    account = _(
        "your library account: name, email address, language, library card, passkeys and any copies of your "
        "data"
    )
    return [*lines, account]


def stays_in_words(counts):
    """Return a text for each kind of row that a child's visit keeps without the person's name."""
    return [_line(kind, counts[kind]) for kind in KEPT_KINDS if kind in counts]


def _line(kind, count):
    texts = {
        "visits": lambda: ngettext(
            "%(count)s visit: your question, the summary written for you, and the reason for each item",
            "%(count)s visits: your questions, the summaries written for you, and the reason for each item",
            count,
        ),
        "recommendations": lambda: ngettext(
            "your name and your comment on %(count)s recommended item",
            "your name and your comments on %(count)s recommended items",
            count,
        ),
        "conversations": lambda: ngettext(
            "%(count)s conversation, and staff notes about it",
            "%(count)s conversations, and staff notes about them",
            count,
        ),
        "messages": lambda: ngettext("%(count)s message", "%(count)s messages", count),
        "attachments": lambda: ngettext("%(count)s file", "%(count)s files", count),
        "drafts": lambda: ngettext("%(count)s draft", "%(count)s drafts", count),
        "lists": lambda: ngettext("%(count)s list", "%(count)s lists", count),
        "list_items": lambda: ngettext("%(count)s item on a list", "%(count)s items on lists", count),
        "mails": lambda: ngettext("%(count)s email to you", "%(count)s emails to you", count),
        "consents": lambda: ngettext("%(count)s consent you gave", "%(count)s consents you gave", count),
        "sign_ins": lambda: ngettext(
            "%(count)s sign-in: that device is signed out",
            "%(count)s sign-ins: those devices are signed out",
            count,
        ),
        "messages_left": lambda: ngettext(
            "%(count)s message that you wrote about a child's visit stays with the visit, without "
            "your name. Its files stay too.",
            "%(count)s messages that you wrote about a child's visit stay with the visit, without "
            "your name. Their files stay too.",
            count,
        ),
        "visits_left": lambda: ngettext(
            "Your feedback on the items in %(count)s visit that you share with a child stays in that visit.",
            "Your feedback on the items in %(count)s visits that you share with a child stays in "
            "those visits.",
            count,
        ),
    }
    return texts[kind]() % {"count": count}
