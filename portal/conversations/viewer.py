"""Fills in request.viewer: who is looking at a patron page (accounts.viewer)."""

from django.db.models import Q
from django.utils import timezone
from django.utils.functional import SimpleLazyObject, cached_property

from accounts.viewer import Viewer, for_viewers
from portal.helpsessions.models import ClaimCode, HelpSession, SessionRecommendation

from .models import Conversation, MessageRecommendation

OPENED_CODES = "opened_codes"  # in the Django session: primary keys of the claim codes this browser has shown


class BrowserViewer(Viewer):
    def __init__(self, person, opened_code_ids):
        self.person = person
        self._opened_code_ids = opened_code_ids

    @classmethod
    def who_opened(cls, sessions, person):
        viewer = cls(person, ())
        viewer.opened_sessions = sessions
        return viewer

    @cached_property
    def opened_sessions(self):
        """Those that a live code opened, and those of a child that are shared with this person."""
        if not self.person or not self.person.has_shared_visits:
            return self.opened_by_code
        shared = HelpSession.objects.filter(shared_with=self.person)
        return [*shared.values_list("pk", flat=True), *self.opened_by_code]

    @cached_property
    def opened_by_code(self):
        if not self._opened_code_ids:
            return []
        live = ClaimCode.objects.live(timezone.now()).filter(pk__in=self._opened_code_ids)
        return list(live.values_list("help_session_id", flat=True))

    @cached_property
    def opened_recommendations(self):
        """A subquery: those of the opened sessions and of the answers in their conversations; an empty list without any.

        A union, because joined by "or" it would read every recommendation there is."""
        if not self.opened_sessions:
            return []
        in_sessions = SessionRecommendation.objects.filter(help_session__in=self.opened_sessions)
        in_conversations = MessageRecommendation.objects.filter(
            message__conversation__help_session__in=self.opened_sessions
        )
        return (
            in_sessions.order_by()
            .values("recommendation")
            .union(in_conversations.order_by().values("recommendation"))
        )

    def session_of(self, recommendation):
        """The help session, of those this reader may open, in which or in whose conversations the item was recommended; or None."""
        made_here = Q(recommendation_links__recommendation=recommendation) | Q(
            conversations__messages__recommendation_links__recommendation=recommendation
        )
        return HelpSession.objects.belonging_to(self).filter(made_here).first()

    @cached_property
    def unread(self):
        """Primary keys of the conversations that hold something this reader has not seen; how many is the badge of the tab."""
        return set(_unread(self))


@for_viewers()
def _unread(viewer):
    return Conversation.objects.belonging_to(viewer).unread_by(viewer.person).values_list("pk", flat=True)


class ViewerMiddleware:
    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        request.viewer = SimpleLazyObject(
            lambda: BrowserViewer(
                request.user if request.user.is_authenticated else None, request.session.get(OPENED_CODES, [])
            )
        )
        return self.get_response(request)
