"""Functions that find a conversation that the staff member may open, or raise Http404."""

from django.db.models import BigAutoField, DateField, Exists, OuterRef, Subquery, UUIDField

from portal.conversations.changes import Erased
from portal.conversations.models import (
    Attachment,
    Conversation,
    Message,
    MessageRecommendation,
    NoteMention,
    Side,
    at_desk_of,
)
from portal.errors import one_or_404
from portal.prepared import prepared
from recommendations.models import Recommendation

from . import shown_today
from .toolbar import away_columns

KEY = BigAutoField()


def conversation_for_page(request, public_id):
    """Return the conversation with everything that its page needs.

    If it was merged into another conversation, return that one.
    """
    conversation = one_or_404(_for_page(public_id=public_id, **_scope(request)))
    if conversation.merged_into_id:
        return conversation_for_page(request, conversation.merged_into.public_id)
    session = conversation.help_session
    if session and session.branch_id == conversation.branch_id:
        # The query loads only the conversation's branch. The visit has the same branch, so it needs no query.
        session.branch = conversation.branch
    return conversation


def conversation_for_poll(request, public_id):
    """Return the conversation with only the fields that tell whether an open page is out of date."""
    return one_or_404(_for_poll(public_id=public_id, **_scope(request)))


def conversation_for_action(request, public_id):
    """Return the conversation, or the one that it was merged into.

    Raise Erased if the conversation was erased.
    """
    conversation = conversation_at_desk(request, public_id, "branch", "patron", "help_session", "assignee")
    if conversation.status == Conversation.Status.ERASED:
        raise Erased
    return conversation


def conversation_at_desk(request, public_id, *related):
    """Return the conversation, or the one that it was merged into.

    `related` are arguments for select_related().
    """
    conversations = Conversation.objects.at_desk_of(request.user, shown_today.ids(request))
    conversations = conversations.select_related(*related)
    conversation = one_or_404(conversations.filter(public_id=public_id))
    if conversation.merged_into_id:
        return one_or_404(conversations.filter(pk=conversation.merged_into_id))
    return conversation


def can_open(request, conversation):
    """Return whether the staff member may open the conversation now."""
    conversations = Conversation.objects.at_desk_of(request.user, shown_today.ids(request))
    return conversations.filter(pk=conversation.pk).exists()


def _scope(request):
    return {
        "person": request.user.pk,
        "branches": request.user.queue_branch_ids,
        "shown": shown_today.ids(request),
        "today": request.library.today(),
    }


@prepared(public_id=UUIDField(), person=KEY, branches=KEY, shown=KEY, today=DateField())
def _for_poll(public_id, person, branches, shown, today):
    scope = at_desk_of(person, branches, shown, today)
    conversations = Conversation.objects.filter(scope, public_id=public_id)
    return conversations.only("public_id", "status", "merged_into", "desk_version")


@prepared(public_id=UUIDField(), person=KEY, branches=KEY, shown=KEY, today=DateField())
def _for_page(public_id, person, branches, shown, today):
    related = "branch", "patron", "assignee", "help_session__topic", "help_session__staff", "readers_form"
    scope = at_desk_of(person, branches, shown, today)
    conversations = Conversation.objects.filter(scope, public_id=public_id).select_related(*related)
    here = {"conversation": OuterRef("pk")}
    by_patron = Message.objects.filter(**here, side=Side.PATRON).order_by("-sent_at", "-pk")
    not_gotten = Recommendation.Verdict.COULD_NOT_GET_IT
    in_answers = MessageRecommendation.objects.filter(
        message__conversation=OuterRef("pk"), recommendation__verdict=not_gotten
    )
    merged = Conversation.objects.filter(merged_into=OuterRef("pk"), recommendation__verdict=not_gotten)
    mentions = NoteMention.objects.filter(note__conversation=OuterRef("pk"), person=person, seen_at=None)
    return conversations.annotate(
        language_of_patron=Subquery(by_patron.values("language")[:1]),
        is_mentioned=Exists(mentions),
        has_files=Exists(Attachment.objects.filter(**here)),
        has_items_to_get=Exists(
            Recommendation.objects.not_removed().filter(pk=OuterRef("recommendation"), verdict=not_gotten)
        )
        | Exists(in_answers)
        | Exists(merged),
        **away_columns(today),
    )
