"""Continue the conversations in which patrons said how a visit turned out.

Some patrons also share a comment with the staff member who helped them.
"""

import datetime
import uuid

from accounts import audit
from accounts.models import AuditEvent, User
from portal.checkins import quotes
from portal.conversations import actions, outcomes
from portal.conversations.models import Conversation, Side
from portal.helpsessions.models import HelpSession

WORDS = [
    "I passed the exam, and I would not have found the practice tests alone.",
    "You took the time to explain it twice. Thank you.",
    "My daughter reads every night now.",
]
# For each of the latest three conversations: whether the patron wants an answer. None means that the patron
# hasn't said.
WISHES = [None, False, True]
MINUTE = datetime.timedelta(minutes=1)
# {language: a text that fits any visit}
QUESTIONS = {
    "en": "It was only half of what I needed. Is there anything else I could try?",
    "es": "Era solo la mitad de lo que necesitaba. ¿Hay algo más que pueda probar?",
}


def settle_outcomes(*, at):
    """Close the conversations in which patrons said how a visit turned out, except the latest three.

    WISHES says what the patrons of the latest three choose.
    """
    rows = Conversation.objects.filter(is_about_outcome=True, status=Conversation.Status.WAITING_FOR_STAFF)
    rows = rows.select_related("help_session__patron", "help_session__staff").order_by("-waiting_since", "pk")
    for number, row in enumerate(rows):
        visit = row.help_session
        wanted = WISHES[number] if number < len(WISHES) else None
        if number >= len(WISHES):
            audit.record(
                "opened", row, by=visit.staff, patron=visit.patron, at=at, where=AuditEvent.Where.QUEUE
            )
            actions.close(row, by=visit.staff, side=Side.STAFF, at=at)
        elif wanted is not None:
            if wanted:
                # This patron answered with the link in an email.
                outcomes.take_outcome(
                    visit, by=None, by_link=True, at=at - MINUTE, found=HelpSession.Found.NO
                )
            outcomes.wish_for_answer(
                visit,
                wanted=wanted,
                by=None if wanted else visit.patron,
                by_link=wanted,
                at=at,
                language=visit.language,
                body=QUESTIONS.get(visit.language, QUESTIONS["en"]) if wanted else "",
                # The token of this message is the same in each build of the demo.
                client_token=uuid.UUID(int=number),
            )
    _share_words(at=at)


def _share_words(*, at):
    visits = HelpSession.objects.recorded().filter(
        found=HelpSession.Found.ALL, patron__in=User.objects.filter(language="en")
    )
    visits = visits.select_related("patron", "staff").order_by("-happened_on", "pk")
    shared = [visit for visit in visits if visit.may_share_words(visit.patron)]
    for visit, words in zip(shared, WORDS, strict=False):
        wording = quotes.wording(visit)
        quotes.share_words(visit, person=visit.patron, words=words, wording=wording, language="en", at=at)
