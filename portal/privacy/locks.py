"""Row locks that several actions of this package share."""

from django.db.models import Q

from accounts.models import User
from portal.conversations.changes import lock_recommendations
from portal.conversations.models import Conversation
from portal.helpsessions.models import HelpSession
from recommendations.models import Recommendation


def lock_rows(rows):
    """Lock these rows until the transaction ends, in the order of their primary keys, and return the keys.

    Other transactions may still add rows that point to the locked rows.
    """
    return list(rows.select_for_update(no_key=True).order_by("pk").values_list("pk", flat=True))


def lock_person_rows(person, *others):
    """Lock `person` and `others`, and then the visits, recommendations and conversations of `person`.

    Visits and conversations that `person` shares with a child are included. Code that saves a reply or a
    verdict, or adds a visit to an account, locks rows in this order too.
    """
    lock_rows(User.objects.filter(pk__in=[person.pk, *(other.pk for other in others)]))
    lock_rows(HelpSession.objects.filter(Q(patron=person) | Q(shared_with=person)))
    lock_recommendations(Recommendation.objects.filter(patron=person))
    conversations = Conversation.objects.filter(Q(patron=person) | Q(help_session__shared_with=person))
    lock_rows(Conversation.objects.filter(pk__in=list(conversations.values_list("pk", flat=True))))
