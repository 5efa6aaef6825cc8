"""The desk's search for help sessions by their words.

Rows of SessionWord store the words of the question and the summary, and the words of the titles and creators
of items. Titles and creators in their original script are stored too. Private notes and patrons' names are
not searched. Quiet sessions and sessions with a child have no rows, so the search never finds them. Code that
changes the texts of a session must call `index`.
"""

from django.db import transaction

from portal.folding import fold
from portal.prepared import insert_all
from recommendations.models import Item
from recommendations.search.finding import DESK_SEARCH_FIELDS, WORDS_ASKED

from .models import HelpSession, SessionWord


def index(help_session):
    """Store the words of this session, and delete the words stored earlier."""
    SessionWord.objects.filter(help_session=help_session).delete()
    links = help_session.recommendation_links.not_removed()
    add_words(help_session, items=Item.objects.filter(recommendations__in=links.values("recommendation")))


def add_words(help_session, *, items):
    """Store the words of a session that has no stored words yet. `items` are its items."""
    if help_session.status != HelpSession.Status.RECORDED or help_session.quiet or help_session.with_child:
        return
    names = [getattr(item, name) for item in items for name in DESK_SEARCH_FIELDS]
    words = set(fold(" ".join([help_session.question, help_session.summary, *names])).split())
    insert_all(SessionWord(help_session=help_session), [{"word": word} for word in sorted(words)])


def with_words(sessions, text):
    """Return the sessions with all words of the text. A word also matches longer words that begin with it."""
    for word in fold(text).split()[:WORDS_ASKED]:
        found = SessionWord.objects.beginning_with(word).values("help_session")
        sessions = sessions.filter(pk__in=found)
    return sessions


def rebuild():
    """Store the words of all sessions again.

    After every thousand sessions, yield how many are done so far.
    """
    done, last = 0, 0
    while keys := list(
        HelpSession.objects.recorded().filter(pk__gt=last).order_by("pk").values_list("pk", flat=True)[:1000]
    ):
        for pk in keys:
            with transaction.atomic():
                for help_session in HelpSession.objects.select_for_update(no_key=True).filter(pk=pk):
                    index(help_session)
        done, last = done + len(keys), keys[-1]
        yield done
