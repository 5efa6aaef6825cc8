"""The pages where helpers review their check-ins, and the buttons that move, skip and send a check-in.

A check-in asks a patron, a few days after a visit, how the visit turned out.
"""

from urllib.parse import quote

from django.contrib import messages
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.sign_in.access import staff_only
from portal.checkins import planning, reviewing, sending
from portal.checkins.models import CheckIn
from portal.desk import shown_today
from portal.desk.access_log import log_session_opened, log_sessions_read
from portal.helpsessions.models import HelpSession
from portal.htmx import back_to, render_page
from portal.paging import page_of
from portal.templatetags.portal import day_in_a_sentence
from portal.text import uuid_or_none

from .forms import AskOnForm, WordsForm
from .rows import by_day, planned_of, reviewed_by, rows_of, to_approve, until_tomorrow
from .states import why_not_planned

PAGE_SIZE = 30
# The page of check-ins that are due by tomorrow shows at most this many. After staff approve some of them,
# the page shows the next ones.
MAX_BATCH = 100


@staff_only
@require_GET
def desk_check_ins(request):
    """List the planned check-ins that the staff member reviews, by day."""
    check_ins = planned_of(request)
    page, after = page_of(check_ins, "due_on", request.GET.get("after"), size=PAGE_SIZE, oldest_first=True)
    context = {
        "days": by_day(rows_of(request, page, at=timezone.now())),
        "after": after,
        "to_approve": to_approve(request),
        "today": request.library.today(),
    }
    return render_page(request, "desk/check_ins/list.html", context)


@staff_only
@require_http_methods(["GET", "HEAD", "POST"])
def check_ins_of_tomorrow(request):
    """Show the texts of the check-ins that are due by tomorrow. On POST, approve the chosen check-ins.

    Each parameter `open` in the URL is the id of a check-in that the staff member opened on this page. Log
    that the staff member opened the visits of these check-ins.
    """
    if request.method == "POST":
        return _approve(request)
    at = timezone.now()
    asked = [uuid_or_none(text) for text in request.GET.getlist("open")[:MAX_BATCH]]
    check_ins = until_tomorrow(request, planned_of(request)).order_by("due_on", "pk")[:MAX_BATCH]
    rows = rows_of(request, check_ins, at=at, opened=set(asked))
    opened = [row for row in rows if row.check_in.public_id in asked]
    log_sessions_read(request, [row.visit for row in opened], at=at)
    context = {
        "days": by_day(rows),
        # Each link that opens one more check-in has this text in its URL. So the check-ins that are already
        # open stay open.
        "opened": "".join(f"open={row.check_in.public_id}&" for row in opened),
        "to_approve": sum(row.may_be_approved for row in rows),
    }
    return render(request, "desk/check_ins/tomorrow.html", context)


def _approve(request):
    posted = [text.partition(".") for text in request.POST.getlist("approve")[:MAX_BATCH]]
    versions = {uuid_or_none(public_id): version for public_id, _dot, version in posted}
    found = planned_of(request).filter(public_id__in=[key for key in versions if key])
    seen = {check_in: versions[check_in.public_id] for check_in in found}
    approved = len(reviewing.approve(seen, by=request.user, at=timezone.now())) if seen else 0
    if approved:
        words = ngettext("%(count)s check-in approved.", "%(count)s check-ins approved.", approved)
        messages.success(request, words % {"count": approved})
    if left_out := len(versions) - approved:
        words = ngettext(
            "%(count)s check-in was changed or sent after you opened this page. Read it again.",
            "%(count)s check-ins were changed or sent after you opened this page. Read them again.",
            left_out,
        )
        messages.warning(request, words % {"count": left_out})
    if not posted:
        messages.warning(request, _("Nothing was selected. Select the check-ins to approve."))
    return redirect(back_to(request, reverse("check_ins_of_tomorrow")))


@staff_only
@require_http_methods(["GET", "HEAD", "POST"])
def desk_check_in(request, public_id):
    """Show one check-in with its text. On POST, save and approve the text.

    If the staff member chose a different tone and did not edit the draft, save nothing, and show the draft in
    the new tone. If the button `send_now` was pressed, send the check-in after saving it.
    """
    check_in = _find(request, public_id)
    if request.method != "POST":
        return _check_in_page(request, check_in)
    form = WordsForm(request.POST, branch=check_in.help_session.branch)
    if not form.is_valid():
        return _check_in_page(request, check_in, form, status=422)
    data, at = form.cleaned_data, timezone.now()
    chosen = {"words": data["body"], "tone": data["tone"]}
    if new_draft := reviewing.draft_to_read_again(check_in, **chosen, at=at):
        form.data = form.data.copy()
        form.data["body"] = new_draft
        messages.info(
            request, _("You chose another tone, so this is a new draft. Read it, and then save it again.")
        )
        return _check_in_page(request, check_in, form)
    try:
        reviewing.edit(check_in, **chosen, seen=data["seen"], by=request.user, at=at)
    except reviewing.NotPlanned as refused:
        form.add_error(None, why_not_planned(refused.check_in))
        return _check_in_page(request, _find(request, public_id), form, status=409)
    except reviewing.ChangedMeanwhile:
        form.add_error(
            None,
            _(
                "Someone else saved a different text after you opened this page, or you saved one in another "
                "tab. The saved text is below yours. To replace it with yours, save again."
            ),
        )
        check_in = _find(request, public_id)
        return _check_in_page(request, check_in, form, status=409, has_others_words=True)
    if "send_now" in request.POST:
        return _send(request, check_in)
    messages.success(request, _("Saved and approved."))
    return _back(request)


def _check_in_page(request, check_in, form=None, *, status=200, has_others_words=False):
    log_session_opened(request, check_in.help_session, at=timezone.now())
    row = rows_of(request, [check_in], at=timezone.now(), opened={check_in.public_id})[0]
    version = reviewing.version_of(check_in)
    if form is None:
        initial = {"tone": check_in.tone, "body": row.words, "seen": version}
        form = WordsForm(initial=initial, branch=check_in.help_session.branch)
    elif has_others_words:
        # The page now shows the text that somebody else has saved. If the staff member saves again, their own
        # text replaces it.
        form.data = form.data.copy()
        form.data["seen"] = version
    is_planned = check_in.status == CheckIn.Status.PLANNED
    context = {
        "row": row,
        "check_in": check_in,
        "help_session": check_in.help_session,
        "may_open_visit": row.is_mine or check_in.help_session.branch_id in request.user.desk_branch_ids,
        "form": form,
        "is_planned": is_planned,
        "why_not": "" if is_planned else why_not_planned(check_in),
        "others_words": row.words if has_others_words else "",
        "day_form": _day_form(request, check_in),
        "back": _back_url(request),
    }
    return render(request, "desk/check_ins/check_in.html", context, status=status)


def _day_form(request, check_in, data=None):
    initial = {"day": check_in.due_on, "reason": check_in.reason}
    return AskOnForm(data, today=request.library.today(), initial=initial, prefix=None)


@staff_only
@require_POST
def move_check_in(request, public_id):
    """Save the day when the library asks, and the reason.

    If the form has no field `reason`, the saved reason doesn't change.
    """
    check_in = _at_desk(request, public_id)
    data = request.POST if "reason" in request.POST else {**request.POST.dict(), "reason": check_in.reason}
    form = _day_form(request, check_in, data)
    if not form.is_valid():
        messages.error(request, " ".join(error for errors in form.errors.values() for error in errors))
        return _back(request)
    try:
        moved = planning.set_day(check_in, by=request.user, at=timezone.now(), **form.cleaned_data)
    except planning.NotPlanned:
        return _refused(request, check_in)
    if moved.due_on == form.cleaned_data["day"]:
        words = _("We will ask the patron on %(day)s.") % {"day": day_in_a_sentence(moved.due_on)}
        messages.success(request, words)
    else:
        messages.warning(
            request,
            _("The patron chose %(day)s, so you can't change the day.")
            % {"day": day_in_a_sentence(moved.due_on)},
        )
    return _back(request)


@staff_only
@require_POST
def skip_check_in(request, public_id):
    """Skip the check-in, so that the patron is not asked about this visit."""
    check_in = _at_desk(request, public_id)
    try:
        planning.skip(check_in, by=request.user, at=timezone.now())
    except planning.NotPlanned:
        return _refused(request, check_in)
    undo = reverse("unskip_check_in", args=[public_id])
    messages.success(
        request,
        _("We won't ask about this visit."),
        extra_tags=f"undo={undo}?back={quote(_back_url(request))}",
    )
    return _back(request)


@staff_only
@require_POST
def unskip_check_in(request, public_id):
    """Undo the skipping of a check-in."""
    check_in = _at_desk(request, public_id)
    try:
        planning.unskip(check_in, by=request.user, at=timezone.now())
    except planning.NotPlanned:
        return _refused(request, check_in)
    messages.success(
        request, _("We will ask the patron on %(day)s.") % {"day": day_in_a_sentence(check_in.due_on)}
    )
    return _back(request)


@staff_only
@require_POST
def send_check_in(request, public_id):
    """Send a check-in now instead of on its day."""
    return _send(request, _find(request, public_id))


def _send(request, check_in):
    try:
        sending.send_now(check_in, by=request.user, at=timezone.now())
    except sending.NotNow as refused:
        return _refused(request, check_in, otherwise=refused.why.label)
    messages.success(request, _("We're sending the check-in."))
    return _back(request)


@staff_only
@require_POST
def plan_check_in(request, public_id):
    """Plan a check-in about a visit that has no open check-in. Staff choose the day."""
    visits = HelpSession.objects.at_desk_of(request.user, shown_today.ids(request)).recorded()
    help_session = get_object_or_404(visits, public_id=public_id)
    form = AskOnForm(request.POST, today=request.library.today())
    if not form.is_valid():
        messages.error(request, " ".join(error for errors in form.errors.values() for error in errors))
        return _back(request)
    try:
        planned = planning.plan_on(help_session, by=request.user, at=timezone.now(), **form.cleaned_data)
    except planning.NotPlanned:
        messages.error(request, _("The library can't ask about this visit now. Reload the page to see why."))
        return _back(request)
    messages.success(
        request, _("We will ask the patron on %(day)s.") % {"day": day_in_a_sentence(planned.due_on)}
    )
    return _back(request)


def _find(request, public_id):
    """Return a check-in that the staff member reviews, or raise Http404."""
    return get_object_or_404(reviewed_by(request), public_id=public_id)


def _at_desk(request, public_id):
    """Return a check-in about a visit that the staff member may open, or raise Http404."""
    check_ins = CheckIn.objects.at_desk_of(request.user, shown_today.ids(request))
    return get_object_or_404(check_ins.select_related("help_session"), public_id=public_id)


def _back_url(request):
    return back_to(request, reverse("desk_check_ins"))


def _back(request):
    return redirect(_back_url(request))


def _refused(request, check_in, otherwise=""):
    """Redirect back with a message that says why the action is refused.

    If the check-in is no longer planned, the message says what happened to the check-in. Otherwise, the
    message is `otherwise`. If `otherwise` is "", the message says that somebody has changed the check-in.
    """
    check_in.refresh_from_db()
    words = why_not_planned(check_in) or otherwise or _("Someone has changed the check-in. Try again.")
    messages.error(request, words)
    return _back(request)
