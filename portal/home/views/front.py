import uuid

from django.db.models import Q
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from portal.conversations.models import Conversation
from portal.conversations.timeline import promise
from portal.helpsessions.cards import cards
from portal.helpsessions.models import HelpSession
from portal.home.forms import CodeForm
from portal.lists.models import SavedItem
from recommendations.models import Recommendation

AT_MOST = 5
ASKED_AT_MOST = 3


@require_safe
def home(request):
    """What waits for me, newest need first; my recent visits; my list. For somebody unknown: what this is, and the way in.

    `?said=` names the recommendation whose verdict was given here a moment ago: it stays in sight, to be mended or explained.
    """
    reader, now = request.reader, timezone.now()
    if not reader:
        return render(request, "home/welcome.html", {"form": CodeForm()})
    said = _uuid(request.GET.get("said", ""))
    asked = (
        Recommendation.objects.belonging_to(reader)
        .filter(Q(verdict="") | Q(public_id=said), starred=True)
        .exclude(sessionrecommendation__help_session__quiet=True)
        .exclude(messagerecommendation__message__conversation__help_session__quiet=True)
        .select_related("item", "recommended_by")
        .order_by("-recommended_at", "pk")[: ASKED_AT_MOST + 1]
    )
    unread = list(Conversation.objects.belonging_to(reader).with_unread(reader).filter(unread=True).select_related("help_session").latest_first()[:AT_MOST])
    for conversation in unread:
        conversation.promise = promise(conversation, now)
    sessions = list(HelpSession.objects.belonging_to(reader).select_related("branch", "staff").latest_first()[: AT_MOST + 1])
    threads = Conversation.objects.belonging_to(reader).filter(recommendation__public_id=said) if said else []
    asked = cards(asked, reader, {thread.recommendation_id: thread for thread in threads}, may_save=False)
    context = {
        "asked": asked[:ASKED_AT_MOST],
        "more_asked": len(asked) > ASKED_AT_MOST,
        "unread_conversations": unread,
        "help_sessions": sessions[:AT_MOST],
        "more_sessions": len(sessions) > AT_MOST,
        "saved_items": SavedItem.objects.belonging_to(reader).select_related("item").latest_first()[:AT_MOST],
        "back": reverse("home"),
    }
    return render(request, "home/home.html", context)


def _uuid(text):
    try:
        return uuid.UUID(text)
    except ValueError:
        return None
