"""The page where a patron says whether an item helped."""

from django.db.models import BigAutoField, DateTimeField, Q, UUIDField
from django.http import Http404
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from accounts.sign_in.access import sign_in_to_open
from accounts.sign_in.unsent import done_after_sign_in, shows_unsent_text, unsent_form
from accounts.viewer import for_viewers
from accounts.waiting_forms import has_waited, may_wait_on_phone, refuse_quiet, say_refused, tapped_at
from portal.conversations import actions, verdicts
from portal.conversations.forms import VerdictForm
from portal.conversations.models import Conversation, MessageRecommendation
from portal.errors import one_or_404
from portal.helpsessions.models import HelpSession, SessionRecommendation
from portal.helpsessions.recommendation_panels import count_at_once, recommendation_panels
from portal.htmx import announce, back_to
from portal.prepared import prepared
from recommendations.models import Recommendation, each_once
from recommendations.verdicts import NEEDS_FOLLOW_UP


@may_wait_on_phone
@sign_in_to_open(Recommendation)
@shows_unsent_text()
@done_after_sign_in
@require_http_methods(["GET", "HEAD", "POST"])
def verdict(request, public_id):
    """Show the item and the questions about it on GET. Save the verdict on POST.

    After a POST by htmx, return only the item, rendered for the page where the patron gave the verdict.
    """
    recommendation = one_or_404(each_once(_for_page(request.viewer, public_id=public_id, at=timezone.now())))
    unsent = unsent_form(request) if request.method != "POST" else None
    comment = unsent.typed.get("comment", "") if unsent else recommendation.comment
    form = VerdictForm(request.POST if request.method == "POST" else None, initial={"comment": comment})
    if has_waited(request):
        refuse_quiet(request.viewer.session_of(recommendation))
    if request.method != "POST" or not form.is_valid():
        say_refused(request, form)
        back = reverse("verdict", args=[public_id])
        context = {
            "form": form,
            "unsent": unsent,
            "full": True,
            "found_at": page_of(recommendation, request.viewer),
            **card_of(request, recommendation, back),
        }
        return render(request, "conversations/verdict.html", context, status=422 if form.is_bound else 200)
    try:
        verdicts.take_verdict(
            recommendation,
            by=request.viewer.person,
            at=timezone.now(),
            tapped_at=tapped_at(request),
            **form.cleaned_data,
        )
    except actions.Erased:
        raise Http404 from None
    back = back_to(request, otherwise="") or page_of(recommendation, request.viewer)
    # The home page asks about one item at a time. The parameter `said` makes the home page also show the item
    # that just got this verdict.
    shown_at = f"{back}?said={recommendation.public_id}" if back == reverse("home") else back
    if not request.htmx:
        words = (
            _("Your answer about “%(title)s” is saved.")
            if recommendation.verdict
            else _("Your answer about “%(title)s” is cleared.")
        )
        request.done = words % {"title": recommendation.item.title}
        return redirect(f"{shown_at}#rec-{recommendation.public_id}")
    card = card_of(request, recommendation, back)
    # If the verdict was cleared, don't load the next question, because it would replace the text that says
    # that the verdict was cleared.
    is_next = shown_at != back and recommendation.verdict
    context = {
        "next_question": shown_at if is_next else "",
        "cleared": not recommendation.verdict,
        **card,
        **_all_at_once(card["help_session"], back),
    }
    response = render(request, "conversations/item.html", context)
    return announce(response, _announcement(recommendation, form.cleaned_data["why"]))


def _announcement(recommendation, why):
    """Return the text that a screen reader announces after the patron's answer.

    `why` is the reason that the patron has just chosen, or "".
    """
    if not recommendation.verdict:
        return _("Your answer is cleared.")
    label = recommendation.get_why_display() if why else recommendation.said
    return _("Answer saved: %(label)s") % {"label": label}


def card_of(request, recommendation, back):
    """Return the template context for the item. `back` is the address of the page that shows the item."""
    conversation = next(iter(_conversation_about(request.viewer, recommendation=recommendation.pk)), None)
    session = request.viewer.session_of(recommendation)
    may_be_declined = conversation is None and recommendation.verdict in NEEDS_FOLLOW_UP
    declined = Conversation.objects.filter(recommendation=recommendation, wants_no_answer=True)
    compact = back == reverse("home")
    quiet = session is not None and session.quiet
    [recommendation] = recommendation_panels(
        [recommendation],
        request.viewer,
        {recommendation.pk: conversation},
        quiet=quiet,
        may_save=not compact,
        declined={recommendation.pk} if may_be_declined and declined.exists() else (),
        may_get=session is not None and not compact and request.library.check_ins,
    )
    return {
        "recommendation": recommendation,
        "help_session": session,
        "back": back,
        "compact": compact,
        "on_item_page": back == reverse("item", args=[recommendation.item.public_id]),
    }


def _all_at_once(session, back):
    """Return the context of the button "Mark the unanswered items as helpful".

    If `back` is not the page of the visit, the context is empty.
    """
    if session is None or session.quiet or back != session.get_absolute_url():
        return {}
    return {"changes_count": True, "all_at_once": count_at_once(len(_undecided_in(session=session.pk)))}


@for_viewers(public_id=UUIDField(), at=DateTimeField())
def _for_page(viewer, public_id, at):
    rows = Recommendation.objects.belonging_to(viewer, at).filter(public_id=public_id)
    rows = rows.select_related("item", "branch", "recommended_by").with_next_step().with_places()
    return rows.order_by("place_branch")


@for_viewers(recommendation=BigAutoField())
def _conversation_about(viewer, recommendation):
    links = MessageRecommendation.objects.filter(recommendation=recommendation)
    is_about = Q(recommendation=recommendation) | Q(pk__in=links.values("message__conversation"))
    return Conversation.objects.belonging_to(viewer).filter(is_about).order_by("pk")[:1]


@prepared(session=BigAutoField())
def _undecided_in(session):
    links = SessionRecommendation.objects.not_removed().filter(help_session=session)
    return Recommendation.objects.filter(sessionrecommendation__in=links).undecided().values_list("pk")


def page_of(recommendation, viewer):
    """Return the address of the visit or conversation where the item was recommended."""
    session = (
        HelpSession.objects.belonging_to(viewer)
        .filter(recommendation_links__recommendation=recommendation)
        .first()
    )
    if session is not None:
        return session.get_absolute_url()
    conversation = (
        Conversation.objects.belonging_to(viewer)
        .filter(messages__recommendation_links__recommendation=recommendation)
        .first()
    )
    return conversation.get_absolute_url() if conversation else reverse("home")
