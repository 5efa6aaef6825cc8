"""The desk's search for help sessions by their words.

The words of the question, of the summary and of the items' titles are stored in rows of SessionWord. Private
notes and patrons' names are not searched. Quiet sessions and sessions with a child have no rows, so words
never find them. Code that changes the texts of a session must call `index`.
"""

from portal.folding import fold
from recommendations.search import WORDS_ASKED

from .models import HelpSession, SessionWord


def index(help_session):
    """Store the words of this session, and delete the words stored earlier."""
    SessionWord.objects.filter(help_session=help_session).delete()
    links = help_session.recommendation_links.not_removed()
    add_words(help_session, titles=links.values_list("recommendation__item__title", flat=True))


def add_words(help_session, *, titles):
    """Store the words of a session that has no stored words yet. `titles` are the titles of its items."""
    if help_session.status != HelpSession.Status.RECORDED or help_session.quiet or help_session.with_child:
        return
    words = set(fold(" ".join([help_session.question, help_session.summary, *titles])).split())
    SessionWord.objects.bulk_create(
        SessionWord(help_session=help_session, word=word) for word in sorted(words)
    )


def with_words(sessions, text):
    """Return the sessions that have all words of the text. A word also matches longer words."""
    for word in fold(text).split()[:WORDS_ASKED]:
        found = SessionWord.objects.beginning_with(word).values("help_session")
        sessions = sessions.filter(pk__in=found)
    return sessions
