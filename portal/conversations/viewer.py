"""The viewer of the current request, and the middleware that sets request.viewer. See accounts.viewer."""

from django.db.models import Q
from django.utils import timezone
from django.utils.functional import SimpleLazyObject, cached_property

from accounts.viewer import Viewer, for_viewers
from portal.helpsessions.models import ClaimCode, HelpSession, SessionRecommendation

from .models import Conversation, MessageRecommendation

# {model: the lookup from a claim code to the rows of its visit}.
ROWS_OF_CODE = {
    "HelpSession": "help_session",
    "Conversation": "help_session__conversations",
    "Recommendation": "help_session__recommendation_links__recommendation",
}

# Under this key the Django session stores the primary keys of the claim codes that this browser has opened.
OPENED_CODES = "opened_codes"


class BrowserViewer(Viewer):
    """A viewer who may also open the visits that this browser has opened by code."""

    def __init__(self, person, opened_code_ids):
        self.person = person
        self._opened_code_ids = opened_code_ids

    @classmethod
    def who_opened(cls, sessions, person):
        """Return a viewer for `person` with these opened sessions, without reading the database."""
        viewer = cls(person, ())
        viewer.opened_sessions = sessions
        return viewer

    @cached_property
    def opened_sessions(self):
        """Return the primary keys of the help sessions that this viewer may open besides their own.

        This browser opened such a session by a code that still works, or a child shares it with the viewer.
        """
        if not self.person or not self.person.has_shared_visits:
            return self.opened_by_code
        shared = HelpSession.objects.filter(shared_with=self.person)
        return [*shared.values_list("pk", flat=True), *self.opened_by_code]

    @cached_property
    def opened_by_code(self):
        """Return the primary keys of the sessions that this browser opened by a code that still works."""
        if not self._opened_code_ids:
            return []
        live = ClaimCode.objects.live(timezone.now()).filter(pk__in=self._opened_code_ids)
        return list(live.values_list("help_session_id", flat=True))

    @property
    def has_opened_codes(self):
        return bool(self._opened_code_ids)

    def why_closed(self, model, public_id):
        among = ROWS_OF_CODE.get(model.__name__)
        if not among or not self._opened_code_ids:
            return ""
        codes = ClaimCode.objects.filter(pk__in=self._opened_code_ids, **{f"{among}__public_id": public_id})
        now, found = timezone.now(), list(codes.values_list("state", "expires_at"))
        if any(state == ClaimCode.State.LIVE and expires_at > now for state, expires_at in found):
            return ""
        if any(state == ClaimCode.State.KEPT for state, _expires_at in found):
            return "kept"
        return "ended" if found else ""

    def lost_visit(self, public_id):
        """Return the visit that this browser opened by code before somebody else kept it, or None."""
        if not self._opened_code_ids:
            return None
        return HelpSession.objects.filter(
            public_id=public_id,
            claim_codes__in=self._opened_code_ids,
            claim_codes__state=ClaimCode.State.KEPT,
        ).first()

    @cached_property
    def opened_recommendations(self):
        """Return a subquery of the recommendations in opened sessions and in the sessions' conversations.

        The subquery is a union, because a condition with OR would read every recommendation. Returns [] if
        the viewer has no opened sessions.
        """
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
        """Return the help session of the recommendation. Return None if this viewer may not open the session.

        The help session of a recommendation in a message is the help session of the conversation.
        """
        recommended_here = Q(recommendation_links__recommendation=recommendation) | Q(
            conversations__messages__recommendation_links__recommendation=recommendation
        )
        return HelpSession.objects.belonging_to(self).filter(recommended_here).first()

    @cached_property
    def unread(self):
        """Return the primary keys of the conversations with messages that this viewer has not seen."""
        return set(_unread(self))


@for_viewers()
def _unread(viewer):
    return Conversation.objects.belonging_to(viewer).unread_by(viewer.person).values_list("pk", flat=True)


class ViewerMiddleware:
    """Set request.viewer."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        set_viewer(request)
        return self.get_response(request)


def set_viewer(request):
    """Set request.viewer. Call this function again after the person signs in during the request."""
    request.viewer = SimpleLazyObject(
        lambda: BrowserViewer(
            request.user if request.user.is_authenticated else None, request.session.get(OPENED_CODES, [])
        )
    )
