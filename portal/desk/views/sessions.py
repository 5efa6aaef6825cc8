"""The list of help sessions, and the page of one help session."""

from django.db.models import Exists, OuterRef, Prefetch
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from accounts.sign_in.access import staff_only
from portal import keys, limits
from portal.conversations.models import Conversation
from portal.desk import shown_today
from portal.desk.access_log import log_opened_by_code, log_session_opened, log_session_search
from portal.desk.check_ins.visit_part import check_in_context
from portal.desk.corrections import HAVE_A_PAGE, history_of, may_correct
from portal.desk.forms.codes import CodeForm
from portal.desk.forms.session_search import SessionSearchForm
from portal.desk.given_items import given_at, with_verdict_labels
from portal.desk.languages import language_name
from portal.desk.shared_items import is_session_shareable, may_copy_into_kit
from portal.desk.unfinished import with_first_words
from portal.helpsessions import choices, handover
from portal.helpsessions.models import ClaimCode, HelpSession
from portal.htmx import render_page
from portal.paging import page_of
from recommendations.models import topic_names

FILTERS = {"all", "mine", "unfinished"}
PAGE_SIZE = 30
# request.session[SEARCHED] is the fingerprint of the search that was logged last. The fingerprint doesn't
# reveal the search text.
SEARCHED = "searched_sessions"
# The results of a search are counted only up to this number.
MAX_COUNTED = 1000


@staff_only
@require_GET
def desk_sessions(request):
    """List the sessions, or search them. The page also has a field for a code that a patron shows."""
    return _list(request, CodeForm())


@staff_only
@require_POST
def open_by_patrons_code(request):
    """Open the session whose code a patron shows at the desk.

    Until the end of the day, the staff member can then open this session without the code. The access log
    records that the patron showed the code.
    """
    form, at = CodeForm(request.POST), timezone.now()
    if form.is_valid() and limits.counted(request, form, "code", "code_at_desk"):
        try:
            claim = handover.open_by_code(form.cleaned_data["code"], at=at)
        except handover.CodeKept:
            form.add_error(
                "code",
                _("This help session is in the patron's account. Ask the patron to open it on their phone."),
            )
        except (handover.CodeExpired, handover.CodeRevoked, handover.CodeForgotten):
            form.add_error("code", _("This code no longer works. Ask the patron for another one."))
        except handover.CodeCardNotReady:
            form.add_error(
                "code",
                _(
                    "This code card is not attached to a finished help session yet. Record the help "
                    "session first."
                ),
            )
        except handover.CodeUnknown:
            form.add_error("code", _("No help session has this code. Check the digits on the slip."))
        else:
            shown_today.remember(request, claim.help_session)
            log_opened_by_code(request, claim.help_session, at=at)
            return redirect("desk_session", claim.help_session.public_id)
    return _list(request, form, status=422)


@staff_only
@require_GET
def desk_session(request, public_id):
    """Show a session with its items, codes and conversations."""
    # A contact that was logged for a conversation can't be handed over.
    logged_for = Conversation.objects.filter(logged_as=OuterRef("pk"))
    sessions = (
        HelpSession.objects.at_desk_of(request.user, shown_today.ids(request))
        .filter(status__in=HAVE_A_PAGE)
        .annotate(counts_a_conversation=Exists(logged_for))
        .select_related("branch", "staff", "topic", "patron", "note__author", "service_point", "patron_group")
    )
    help_session = get_object_or_404(sessions, public_id=public_id)
    at = timezone.now()
    log_session_opened(request, help_session, at=at)
    codes = list(help_session.claim_codes.order_by("-made_at", "-pk"))
    corrections = history_of(help_session)
    is_own_branch = help_session.branch_id in request.user.desk_branch_ids
    context = {
        "help_session": help_session,
        "language_name": language_name(help_session.language),
        "own_values": choices.names_of_values(help_session.own_values),
        "given": with_verdict_labels(given_at(help_session).for_page()),
        "live_codes": [code for code in codes if code.state == ClaimCode.State.LIVE and code.expires_at > at],
        "codes": codes,
        # A replaced session and a logged contact have no patron.
        "shows_codes": help_session.status == HelpSession.Status.RECORDED
        and bool(codes or not help_session.counts_a_conversation),
        "may_call": help_session.status == HelpSession.Status.RECORDED
        and not (help_session.is_on_paper_only or help_session.counts_a_conversation),
        "conversations": help_session.conversations.not_merged().order_by("-opened_at", "-pk"),
        "is_mine_to_hand_over": is_own_branch or help_session.staff_id == request.user.pk,
        "may_correct": may_correct(request.user, help_session),
        "may_delete": not (help_session.kept_at or help_session.patron_id or help_session.answered_at),
        "corrections": corrections,
        "has_old_words": request.user.is_coordinator and any(row.old_words for row in corrections),
        "card_form": CodeForm(),
        "may_share_items": is_session_shareable(help_session),
        "may_copy_items": help_session.status == HelpSession.Status.RECORDED
        and may_copy_into_kit(help_session),
        **check_in_context(request, help_session, at=at),
    }
    return render_page(request, "desk/session.html", context)


def _list(request, form, *, status=200):
    show = request.GET.get("show", "all")
    show = show if show in FILTERS else "all"
    sessions = HelpSession.objects.at_desk_of(request.user)
    sessions = sessions.unfinished() if show == "unfinished" else sessions.recorded()
    if show == "mine":
        sessions = sessions.filter(staff=request.user)
    search = SessionSearchForm(request.GET or None, user=request.user)
    is_search = show != "unfinished" and search.is_search
    is_first, results = "after" not in request.GET, None
    if is_search:
        sessions = search.narrow(sessions)
        fingerprint = _fingerprint(request, search)
        is_recorded = request.session.get(SEARCHED) == fingerprint
        if is_first or not is_recorded:
            results = sessions[: MAX_COUNTED + 1].count()
            log_session_search(request, results=results, at=timezone.now())
        if not is_recorded:
            request.session[SEARCHED] = fingerprint
    sessions = sessions.select_related("branch", "staff", "topic", "unfinished_form").prefetch_related(
        Prefetch("claim_codes", ClaimCode.objects.live(timezone.now()), to_attr="live_codes"),
        *topic_names("topic__names"),
    )
    rows, after = page_of(sessions, "happened_on", request.GET.get("after"), size=PAGE_SIZE)
    if show == "unfinished":
        rows = [with_first_words(draft) for draft in rows]
    for row in rows:
        # The row of a colleague's session shows only the day, the branch, and the topic or mode of the
        # session. Staff see more when they open the session. The access log then records the opening. The
        # topic of a quiet session or a session with a child is hidden, because it could reveal the question.
        # The mode, such as "by phone", is never hidden.
        row.shows_all = row.staff_id == request.user.pk or show == "unfinished"
        row.shows_topic = not (row.quiet or row.with_child)
    context = {
        "rows": rows,
        "after": after,
        "show": show,
        "form": form,
        "search": search,
        "is_search": is_search,
        "results": results,
        "most": MAX_COUNTED,
        "is_first": is_first,
    }
    return render_page(request, "desk/sessions.html", context, status=status)


def _fingerprint(request, search):
    """Return a text that identifies a search on one day. All pages of its results have the same text."""
    asked = sorted((name, str(value)) for name, value in search.cleaned_data.items())
    return keys.fingerprint(
        "search of sessions", f"{request.library.today()} {request.GET.get('show', '')} {asked}"
    )
