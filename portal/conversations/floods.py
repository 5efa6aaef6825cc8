"""How what patrons write is counted (portal/limits.py): whose it is, unless it carries no name.

A visit that nobody keeps, and what is written about it, counts for itself, whoever is signed in: the moments that are counted would tell
whose it is.
"""

from django.utils.translation import gettext as _

from portal import limits


def count_question(request, *, visit=None):
    """One that begins a conversation, hung on a visit or on none. Raises limits.TooOften."""
    nobodys = visit is not None and visit.patron_id is None
    limits.count(request, "question", target=str(visit.pk) if nobodys else "", names_nobody=nobodys)


def count_message(request, about):
    """One in a conversation that is there, or about an item: `about` is the conversation or the recommendation. Raises limits.TooOften."""
    _count(request, "message", about)


def count_file(request, conversation):
    """One picture or PDF. Raises limits.TooOften."""
    _count(request, "file", conversation)


def count_stranger(request):
    """A browser of which nothing is known and which is to remember something. Raises limits.TooOften."""
    if not request.session.session_key:
        limits.count(request, "unsent_question")


def in_words(error):
    """What is said beside the words that were not sent, which stay where they are."""
    if error.what == "message":
        words = _(
            "You have sent very many messages in a short time. This one stays here, and can be sent %(when)s. If it can't wait, ask at any desk."
        )
    else:
        words = _(
            "You have asked very many new questions today. This one stays here, and can be sent %(when)s. In your conversations you can go on writing."
        )
    return words % {"when": error.when}


def _count(request, what, about):
    nobodys = about.patron_id is None
    limits.count(
        request, what, target=f"{about._meta.label}:{about.pk}" if nobodys else "", names_nobody=nobodys
    )
