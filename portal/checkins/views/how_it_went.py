"""The page that opens from the link in a check-in's email. It needs no sign-in.

Mail scanners open every link, so only a POST changes anything.
"""

from django.utils import timezone
from django.utils.translation import get_language
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from accounts.models import User
from accounts.sign_in.access import leaves_session_alone
from portal import limits
from portal.checkins import answering, links
from portal.checkins.answer_page import AnswerPage
from portal.checkins.answering import Answerer, LinkEnded
from portal.checkins.forms import AskLaterForm, Pressed, WordsForm
from portal.headers import is_prefetch
from portal.htmx import render_page
from portal.limits import TooOften
from portal.notifications.unsubscribing import CHECK_IN, unsubscribe_url
from portal.security_log import note
from portal.text import clean, parse_moment

HELPED = "helped"


# The URL has a random token that no other site knows, so no other site can forge this POST. The page needs no
# CSRF cookie, so it works inside a mail program that blocks cookies.
@csrf_exempt
@leaves_session_alone
@require_http_methods(["GET", "HEAD", "POST"])
def how_it_went(request, token):
    """Show the questions about one visit. A POST saves what was pressed or written."""
    check_in = _check_in_of(request, token)
    if check_in is None:
        return _ended(request)
    page = AnswerPage(check_in, Answerer.of(request.viewer, check_in.help_session), Pressed(request.POST))
    if request.method != "POST":
        return _show(request, page)
    try:
        limits.count(request, "answer_by_link", target=str(check_in.pk))
        return _save(request, page)
    except TooOften as wait:
        form = WordsForm(request.POST)
        form.add_error("body", wait.words)
        return _show(request, page, form=form)
    except LinkEnded:
        return _ended(request)


def _check_in_of(request, token):
    """Return the check-in for the link, or None. Count an unknown link toward the limit. Raises TooOften."""
    check_in = links.find(token, at=timezone.now())
    is_opened = request.method != "HEAD" and not is_prefetch(request)
    if check_in is None and is_opened and not links.is_known(token):
        limits.count(request, "unknown_link")
        note(request, "refused", what="link_of_a_check_in")
    return check_in


def _ended(request):
    """Return the page for a link that doesn't work. The page is the same for all such links."""
    words = clean(request.POST.get("body", ""), multiline=True)
    # htmx shows no response with the status 404, so requests by htmx get 200.
    status = 200 if request.htmx else 404
    return render_page(request, "checkins/link_ended.html", {"words": words}, partial="how", status=status)


def _save(request, page):
    """Save what the pressed button sent, and return the page."""
    check_in, answerer, at = page.check_in, page.answerer, timezone.now()
    pressed = page.pressed
    if answers := pressed.answers():
        answering.answer(check_in, answerer=answerer, at=at, **answers)
        asks_more = "found" in answers and page.asks_whether_to_write
        return _show(request, page, saved=next(iter(answers)), asks_more=asks_more)
    for item in page.items:
        if item.verdict_name in request.POST and item.pressed:
            answering.give_verdict(check_in, item, verdict=item.pressed, answerer=answerer, at=at)
            return _show(request, page, saved=item.public_id, asks_more=item.asks_whether_to_write)
        if item.wish_name in request.POST and item.wish:
            return _save_wish(request, page, item, item.wish_name, item.wish, at=at)
    if "wish" in request.POST and page.wish:
        return _save_wish(request, page, page.visit, "wish", page.wish, at=at)
    if "all_helped" in request.POST and page.items:
        return _save_all_helped(request, page, at=at)
    if "undo_all_helped" in request.POST and page.items:
        return _undo_all_helped(request, page, at=at)
    if "send" in request.POST:
        return _send(request, page, at=at)
    if "later" in request.POST:
        return _ask_later(request, page, at=at)
    if "leave_out" in request.POST:
        answering.leave_out(check_in, at=at)
        return _show(request, page, is_left_out=True)
    return _show(request, page)


def _save_wish(request, page, about, name, wish, *, at):
    form = WordsForm(request.POST)
    if not form.is_valid():
        return _show(request, page, form=form)
    answering.wish(
        page.check_in,
        about,
        wanted=wish == "yes",
        language=get_language(),
        body=form.cleaned_data["body"],
        client_token=form.cleaned_data["client_token"],
        answerer=page.answerer,
        at=at,
    )
    has_words = bool(form.cleaned_data["body"])
    return _show(request, page, form=WordsForm(), saved=name, has_words=has_words)


def _save_all_helped(request, page, *, at):
    answering.give_all_helped(page.check_in, answerer=page.answerer, at=at)
    marked = []
    if page.answerer.may_open:
        # If the browser may not open the visit, the page must not show which items were answered before.
        marked = list(answering.items_of(page.visit).filter(verdict=HELPED, decided_at=at))
        page.press({item.public_id: HELPED for item in marked})
    return _show(request, page, saved="items", marked_at=at, marked=len(marked))


def _undo_all_helped(request, page, *, at):
    marked_at = parse_moment(request.POST["undo_all_helped"])
    if marked_at:
        marked = list(answering.items_of(page.visit).filter(verdict=HELPED, decided_at=marked_at))
        answering.undo_all_helped(page.check_in, answerer=page.answerer, marked_at=marked_at, at=at)
        if page.answerer.may_open:
            page.press({item.public_id: "" for item in marked})
    return _show(request, page, saved="items")


def _send(request, page, *, at):
    form = WordsForm(request.POST)
    if form.is_valid() and form.cleaned_data["body"]:
        words = form.cleaned_data | {"language": get_language(), "answerer": page.answerer, "at": at}
        if page.wish == "no":
            # The patron sends a text after choosing to get no answer. Save the text, and keep the choice.
            answering.wish(page.check_in, page.visit, wanted=False, **words)
        else:
            answering.write(page.check_in, **words)
        return _show(request, page, form=WordsForm(), saved="words")
    form.require_words()
    return _show(request, page, form=form)


def _ask_later(request, page, *, at):
    form = AskLaterForm(request.POST, at=at)
    if not form.is_valid():
        return _show(request, page, later_form=form)
    day = form.cleaned_data["day"]
    if not answering.ask_later(page.check_in, day=day, answerer=page.answerer, at=at):
        return _show(request, page, is_left_out=True)
    return _show(request, page, asks_on=form.cleaned_data["day"])


def _stop_url(check_in):
    """Return the URL that turns off all check-ins of the patron, or "" if the page needs no such link.

    Only patrons who get push messages need the link on this page. Emails already contain it.
    """
    patron = check_in.asked
    return unsubscribe_url(patron, [CHECK_IN]) if patron.check_ins == User.CheckIns.PUSH else ""


def _show(request, page, *, form=None, later_form=None, saved="", **context):
    at = timezone.now()
    context |= {
        "page": page,
        "saved": saved,
        "stop_url": _stop_url(page.check_in),
        # A signed-in person who isn't the patron can't open the visit, so they see no link to the visit.
        "leads_to_visit": page.answerer.may_open or request.viewer.person is None,
        "form": form or WordsForm(initial={"body": request.POST.get("body", "")}),
        "later_form": later_form or AskLaterForm(at=at),
    }
    return render_page(
        request,
        "checkins/how_it_went.html",
        context,
        partial="how",
        status=422 if any(shown and shown.errors for shown in (form, later_form)) else 200,
    )
