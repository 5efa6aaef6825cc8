"""The page that corrects a recorded help session, and the page with its old words under a legal hold."""

import json

from django.contrib import messages
from django.http import Http404
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from accounts.sign_in.access import coordinator_only, staff_only
from portal.conversations.models import Conversation
from portal.desk import shown_today
from portal.desk.access_log import log_session_opened
from portal.desk.branches import branch_for
from portal.desk.combine import combine
from portal.desk.corrections import history_of, session_to_correct
from portal.desk.forms.corrections import (
    FIELDS,
    CorrectionForm,
    as_posted,
    initial_of,
    plain_rows,
    posted_values,
)
from portal.desk.item_picker import ItemPicker, fields_of
from portal.desk.items_part import items_context, search_context, untouched_items
from portal.helpsessions.models import HelpSession
from portal.privacy import holds
from portal.privacy.corrected_fields import LABELS, in_words, links_of, values_of
from portal.privacy.correcting import CorrectedMeanwhile, InAnAccount, correct
from portal.privacy.correction_emails import recipients
from portal.privacy.session_lock import Gone, merged_messages_of


@staff_only
@require_http_methods(["GET", "HEAD", "POST"])
def correct_session(request, public_id):
    """Show the record form, filled in with a recorded session. On POST, save the correction.

    The buttons of the item picker only change the items in the form.
    """
    help_session = session_to_correct(request, public_id)
    if request.method != "POST":
        log_session_opened(request, help_session, at=timezone.now())
        picker = _picker_of(help_session)
        was = as_posted(help_session, picker.rows)
        initial = initial_of(help_session, len(history_of(help_session)), was)
        return _page(request, help_session, _form(request, help_session, initial=initial), picker)
    picker, action = ItemPicker(request.POST), request.POST.get("action", "save")
    return (
        _save(request, help_session, picker)
        if action == "save"
        else _change_items(request, help_session, picker, action)
    )


def _save(request, help_session, picker):
    are_items_valid = picker.check()
    form = _form(request, help_session, data=request.POST, has_items=bool(picker.rows))
    must_warn = form.secret_number and "warned" not in request.POST
    if not form.is_valid() or not are_items_valid or must_warn:
        return _page(request, help_session, form, picker, warned=form.secret_number, status=422)
    try:
        changed, is_emailed = correct(
            help_session, by=request.user, at=timezone.now(), items=picker.chosen(), **form.values()
        )
    except CorrectedMeanwhile:
        return _combined(request, help_session, picker)
    except InAnAccount:
        form.add_error(
            "with_child",
            _(
                "This visit is in a library account, so it can't be changed in this way. Remove the patron "
                "or the adult from the visit first, or make the visit quiet."
            ),
        )
        return _page(request, help_session, form, picker, status=422)
    except Gone:
        raise Http404 from None
    _report(request, changed, is_emailed, asked=form.cleaned_data.get("email"))
    return redirect("desk_session", help_session.public_id)


def _report(request, changed, is_emailed, *, asked):
    if not changed:
        messages.info(request, _("Nothing was changed."))
    elif is_emailed:
        messages.success(request, _("Corrected. We're emailing the patron."))
    elif asked:
        messages.success(
            request, _("Corrected. No email was sent, because the patron can't read what changed.")
        )
    else:
        messages.success(request, _("Corrected."))
    if "patron" in changed:
        messages.warning(
            request,
            _(
                "This visit is in nobody's account now. It is deleted 30 days after it was recorded, unless "
                "you make a code for the patron. If that day has passed, it is deleted tonight."
            ),
        )


def _change_items(request, help_session, picker, action):
    """Show the form again with the changed items. Everything else stays as it was typed."""
    picker.change(action)
    if request.htmx:
        context = items_context(picker, branch_for(request), request.path)
        return render(request, "desk/items.html", context)
    typed = {name: request.POST.get(name, "") for name in (*FIELDS, "version", "was", "email")}
    status = 422 if picker.written.errors else 200
    return _page(request, help_session, _form(request, help_session, initial=typed), picker, status=status)


def _combined(request, help_session, picker):
    """Show the form with this correction combined with a colleague's. Save nothing."""
    seen = request.POST.get("version", "")
    corrections = history_of(help_session, since=int(seen) if seen.isdecimal() and len(seen) < 6 else 0)
    now = session_to_correct(request, help_session.public_id)
    theirs = as_posted(now, _picker_of(now).rows)
    mine = posted_values(request.POST, picker.rows)
    combined, both = combine(_was(request, theirs), mine, theirs)
    if combined == theirs:
        # The same form was sent twice, or a colleague made the same correction.
        return redirect("desk_session", now.public_id)
    rows = combined.pop("items")
    picker = ItemPicker(_fields_of_rows(rows))
    initial = {
        **combined,
        "email": request.POST.get("email", ""),
        "version": len(history_of(now)),
        "was": json.dumps(theirs),
    }
    log_session_opened(request, now, at=timezone.now())
    values = values_of(now)
    clashes = [(LABELS[name], in_words(values, [name])[name]) for name in both]
    context = {"corrections": corrections, "clashes": clashes}
    return _page(request, now, _form(request, now, initial=initial), picker, status=409, **context)


def _was(request, theirs):
    """Return the values that the page showed, or `theirs` if the browser sent something else."""
    try:
        was = json.loads(request.POST.get("was", ""))
    except (ValueError, RecursionError):
        return theirs
    if not isinstance(was, dict) or not isinstance(was.get("items"), list):
        return theirs
    return {**was, "items": [row for row in was["items"] if _is_row(row)]}


def _is_row(row):
    return isinstance(row, dict) and all(isinstance(value, str) for value in row.values())


def _form(request, help_session, **kwargs):
    can_email = not help_session.quiet and bool(recipients(help_session))
    form = CorrectionForm(
        user=request.user,
        library=request.library,
        at=timezone.now(),
        help_session=help_session,
        can_email=can_email,
        **kwargs,
    )
    if Conversation.objects.filter(logged_as=help_session).exists():
        form.hide_patron_hints()
    return form


def _page(request, help_session, form, picker, *, status=200, warned=False, **context):
    if status != 200:
        form.leave_focus_to_errors()
    context |= {
        "form": form,
        "help_session": help_session,
        "picker": picker,
        "items_url": request.path,
        "untouched_items": untouched_items(picker, request.path),
        "merged_messages": help_session.patron_id and merged_messages_of(help_session),
        "warned": warned,
        "secret_number": warned,
        **search_context(picker, branch_for(request)),
    }
    return render(request, "desk/correct.html", context, status=status)


def _picker_of(help_session):
    return ItemPicker(fields_of([link.recommendation for link in links_of(help_session)]))


def _fields_of_rows(rows):
    fields = {"items-TOTAL_FORMS": str(len(rows))}
    for number, row in enumerate(plain_rows(rows)):
        fields |= {f"items-{number}-{name}": value for name, value in row.items()}
    return fields


@coordinator_only
@require_safe
def old_words(request, public_id):
    """Show the words before each correction of a session. They exist only under a legal hold."""
    sessions = HelpSession.objects.at_desk_of(request.user, shown_today.ids(request))
    help_session = get_object_or_404(sessions, public_id=public_id)
    if not holds.held(help_session):
        raise Http404
    log_session_opened(request, help_session, at=timezone.now())
    corrections = [correction for correction in history_of(help_session) if correction.old_words]
    for correction in corrections:
        correction.before = [(LABELS.get(name, name), text) for name, text in correction.old_words.items()]
    return render(request, "desk/old_words.html", {"help_session": help_session, "corrections": corrections})
