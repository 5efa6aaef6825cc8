"""The viewer of the current request, and the middleware that sets request.viewer. See accounts.viewer."""

from django.db.models import BigAutoField, Q
from django.utils import timezone
from django.utils.functional import SimpleLazyObject, cached_property

from accounts.viewer import Viewer, for_viewers
from portal.helpsessions.models import ClaimCode, HelpSession, SessionRecommendation

from .models import Conversation, MessageRecommendation

# {name of a model: the lookup path from a ClaimCode to the rows of this model that the code opens}
ROWS_OF_CODE = {
    "HelpSession": "help_session",
    "Conversation": "help_session__conversations",
    "Recommendation": "help_session__recommendation_links__recommendation",
    "Item": "help_session__recommendation_links__recommendation__item",
}

# Under this key, the Django session stores the primary keys of the claim codes that this browser has opened.
OPENED_CODES = "opened_codes"


class BrowserViewer(Viewer):
    """A viewer who may also open visits by code. The Django session stores which codes the browser opened."""

    def __init__(self, person, opened_code_ids):
        self.person = person
        self._opened_code_ids = opened_code_ids

    @classmethod
    def who_opened(cls, sessions, person):
        """Return a viewer for `person` whose `opened_sessions` are `sessions`. No query runs."""
        viewer = cls(person, ())
        viewer.opened_sessions = sessions
        return viewer

    def without_codes(self):
        return BrowserViewer(self.person, [])

    @cached_property
    def opened_sessions(self):
        """Return the primary keys of the help sessions that the viewer may open without being their patron.

        These are help sessions that the browser opened by a code that still works, and help sessions that a
        child shares with the viewer.
        """
        if not self.person or not self.person.has_shared_visits:
            return self.opened_by_code
        shared = HelpSession.objects.filter(shared_with=self.person)
        return [*shared.values_list("pk", flat=True), *self.opened_by_code]

    @cached_property
    def opened_by_code(self):
        """Return the primary keys of the help sessions that this browser opened by code.

        A help session is left out if its code no longer works.
        """
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
        """Return the visit that this browser opened by code, if it has since been added to an account.

        Otherwise return None.
        """
        if not self._opened_code_ids:
            return None
        return HelpSession.objects.filter(
            public_id=public_id,
            claim_codes__in=self._opened_code_ids,
            claim_codes__state=ClaimCode.State.KEPT,
        ).first()

    @cached_property
    def opened_recommendations(self):
        """Return a subquery of the recommendations in `opened_sessions` and in their conversations.

        The subquery is a union. For a condition with OR, the database would read every recommendation.
        Returns [] if there are no `opened_sessions`.
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
        """Return the help session of the recommendation, or None if this viewer may not open the session.

        If the recommendation is in a message, return the help session of the message's conversation.
        """
        return next(iter(_session_of(self, recommendation=recommendation.pk)), None)

    @cached_property
    def unread(self):
        """Return the primary keys of the conversations with messages that this viewer has not seen."""
        return set(_unread(self))


@for_viewers(recommendation=BigAutoField())
def _session_of(viewer, recommendation):
    in_visits = SessionRecommendation.objects.filter(recommendation=recommendation)
    in_answers = MessageRecommendation.objects.filter(recommendation=recommendation)
    # Use subqueries, because joins would read all messages of all of the person's visits.
    is_here = Q(pk__in=in_visits.values("help_session")) | Q(
        pk__in=in_answers.values("message__conversation__help_session")
    )
    return HelpSession.objects.belonging_to(viewer).filter(is_here).order_by("pk")[:1]


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
    """Set request.viewer. Call this function again after the person signs in during the request.

    If a browser fetches the page to store it for reading offline, the viewer has no visits opened by code.
    """
    request.viewer = SimpleLazyObject(
        lambda: BrowserViewer(
            request.user if request.user.is_authenticated else None,
            [] if request.kept_at else request.session.get(OPENED_CODES, []),
        )
    )
