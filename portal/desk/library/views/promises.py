"""Save a change of a branch's hours or closed days. If promises would move, ask the coordinator first."""

from dataclasses import replace

from django.contrib import messages
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import ngettext

from accounts.hours import Calendar
from portal.conversations import moved_promises

# Only the page that asks whether to save the change has these fields. The page also posts all fields of the
# branch form again.
ASKED = {"csrfmiddlewaretoken", "confirmed", "email_patrons", "back"}


def save_calendar(request, branch, save, changes, *, saved, undo=""):
    """Save the change and redirect to the branch.

    If the change would move promises, first show a page that lists the promises and asks whether to save.

    `save` is an action of accounts/library.py. `changes` are the attributes of the Calendar that this action
    changes. `saved` is the message after saving. `undo` is the URL of the message's undo button, or "".

    Raise CalendarChanged if a colleague has just saved another change. The caller must then read everything
    again.
    """
    at = timezone.now()
    calendar = Calendar.of(branch)
    moves = moved_promises.preview(branch, replace(calendar, **changes), at=at)
    seen, confirmed = calendar.fingerprint(), request.POST.get("confirmed", "")
    email = "email_patrons" in request.POST
    if moves.moved and confirmed != seen:
        return _ask(request, branch, moves, seen, email=email, changed_meanwhile=bool(confirmed))
    moves = moved_promises.change_calendar(
        branch, save, seen=seen, email=email, by=request.user, at=timezone.now()
    )
    tags = f"undo={undo}" if undo else ""
    messages.success(request, " ".join([saved, *_moved_in_words(moves)]), extra_tags=tags)
    return redirect("branch_settings", branch.slug)


def _ask(request, branch, moves, seen, *, email, changed_meanwhile):
    context = {
        "branch": branch,
        "moves": moves,
        "count": len(moves.moved),
        "seen": seen,
        "email": email,
        "changed_meanwhile": changed_meanwhile,
        "typed": [
            (name, value) for name, values in request.POST.lists() for value in values if name not in ASKED
        ],
    }
    return render(request, "desk/library/promises.html", context)


def _moved_in_words(moves):
    """Return sentences that say how many promises moved and how many people get an email."""
    words, count = [], len(moves.moved)
    if count:
        words.append(
            ngettext("%(count)d promise moved.", "%(count)d promises moved.", count) % {"count": count}
        )
    if moves.emails:
        words.append(
            ngettext("We're emailing %(count)d patron.", "We're emailing %(count)d patrons.", moves.emails)
            % {"count": moves.emails}
        )
    return words
