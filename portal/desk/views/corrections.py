"""The page that corrects a recorded help session, and the unsaved text that staff typed on it."""

import json

from django.contrib import messages
from django.http import Http404
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from accounts.sign_in.access import staff_only
from portal.checkins.drafting import DRAFTED_FROM
from portal.conversations.models import Conversation
from portal.desk.access_log import log_session_opened
from portal.desk.branches import branch_for
from portal.desk.combine import combine
from portal.desk.corrections import history_of, session_to_correct
from portal.desk.forms.corrections import (
    CorrectionForm,
    as_posted,
    initial_of,
    plain_rows,
    posted_values,
    typed_values,
)
from portal.desk.item_picker import ItemPicker, fields_of
from portal.desk.items_part import items_context, search_context, untouched_items
from portal.privacy import unfinished_corrections
from portal.privacy.corrected_fields import LABELS, in_words, links_of, values_of
from portal.privacy.correcting import CorrectedMeanwhile, InAnAccount, correct
from portal.privacy.correction_emails import recipients
from portal.privacy.session_lock import Gone, merged_messages_of
from portal.text import parse_json

# A correction stores the names of the fields that it changed. If it changed items, it stores one or more of
# these three names. The form has only the field "items".
ITEMS = {"items", "item_order", "reasons"}


@staff_only
@require_http_methods(["GET", "HEAD", "POST"])
def correct_session(request, public_id):
    """Show the record form, filled in with a recorded session. On POST, save the correction.

    The buttons of the item picker only change the items in the form.
    """
    help_session = session_to_correct(request, public_id)
    if request.method != "POST":
        return _first_page(request, help_session)
    picker, action = ItemPicker(request.POST, by=request.user), request.POST.get("action", "save")
    if action == "discard":
        unfinished_corrections.keep(help_session, by=request.user, at=timezone.now(), version=0, fields={})
        return redirect("desk_session", public_id)
    if action == "save":
        return _save(request, help_session, picker)
    return _change_items(request, help_session, picker, action)


@staff_only
@require_POST
def correction_draft(request, public_id):
    """Save the typed values as a draft. The help session itself doesn't change."""
    help_session, at = session_to_correct(request, public_id), timezone.now()
    theirs = as_posted(help_session, _picker_of(help_session).rows)
    was, typed = _was(request, theirs), posted_values(request.POST, ItemPicker(request.POST).rows)
    changed = {name: value for name, value in typed.items() if value not in (was.get(name), theirs[name])}
    unfinished_corrections.keep(
        help_session, by=request.user, at=at, version=_version(request), fields=changed
    )
    context = {"saved_at": changed and at, "others": _others(request, help_session)}
    return render(request, "desk/correct.html#kept", context)


def _first_page(request, help_session):
    """Show the form with the staff member's unsaved correction, or with the recorded values."""
    picker, version = _picker_of(help_session), len(history_of(help_session))
    recorded = as_posted(help_session, picker.rows)
    unfinished = unfinished_corrections.of_person(help_session, request.user, at=timezone.now())
    if unfinished is None:
        log_session_opened(request, help_session, at=timezone.now())
        initial = initial_of(help_session, version, recorded)
        return _page(request, help_session, _form(request, help_session, initial=initial), picker)
    corrections = history_of(help_session, since=unfinished.version)
    corrected = {"items" if name in ITEMS else name for each in corrections for name in each.fields}
    return _unsaved_page(
        request,
        help_session,
        recorded | unfinished.fields,
        recorded,
        corrections=corrections,
        clashes=sorted(corrected & unfinished.fields.keys()),
        unfinished=unfinished,
    )


def _save(request, help_session, picker):
    are_items_valid = picker.check()
    form = _form(request, help_session, data=request.POST, has_items=bool(picker.rows))
    must_warn = form.secret_number and "warned" not in request.POST
    if not form.is_valid() or not are_items_valid or must_warn:
        return _page(request, help_session, form, picker, warned=form.secret_number, status=422)
    try:
        changed, is_emailed = correct(
            help_session,
            by=request.user,
            at=timezone.now(),
            items=picker.chosen(by=request.user),
            **form.values(),
        )
    except CorrectedMeanwhile:
        return _combined(request, help_session, picker)
    except InAnAccount:
        form.add_error(
            "with_child",
            _(
                "This visit is in a library account, so you can't choose this for “With a child”. Remove "
                "the patron or the adult from the visit first, or make the visit quiet."
            ),
        )
        return _page(request, help_session, form, picker, status=422)
    except Gone:
        raise Http404 from None
    _report(request, help_session, changed, is_emailed, asked=form.cleaned_data.get("email"))
    return redirect("desk_session", help_session.public_id)


def _report(request, help_session, changed, is_emailed, *, asked):
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
    if DRAFTED_FROM.intersection(changed) and help_session.check_ins_made.filter(status="planned").exists():
        messages.info(
            request,
            _("The check-in about this visit has a new draft. Nobody has approved it yet."),
        )
    if "patron" in changed:
        messages.warning(
            request,
            _(
                "This visit is in nobody's account now. It is deleted 30 days after it was recorded, unless "
                "you make a code for the patron. If that day has passed, it is deleted tonight."
            ),
        )


def _change_items(request, help_session, picker, action):
    """Show the form again with the changed items and all typed values."""
    picker.change(action, by=request.user)
    if request.htmx:
        context = items_context(picker, branch_for(request), request.path_info)
        response = render(request, "desk/items.html", context)
        response["HX-Trigger-After-Settle"] = "items-changed"
        return response
    others = {name: request.POST.get(name, "") for name in ("version", "was", "email")}
    typed = typed_values(request.POST) | others
    status = 422 if picker.written.errors else 200
    return _page(request, help_session, _form(request, help_session, initial=typed), picker, status=status)


def _combined(request, help_session, picker):
    """Combine this correction with a colleague's. Show the result in the form, but save nothing."""
    corrections = history_of(help_session, since=_version(request))
    now = session_to_correct(request, help_session.public_id)
    theirs = as_posted(now, _picker_of(now).rows)
    mine = posted_values(request.POST, picker.rows)
    combined, both = combine(_was(request, theirs), mine, theirs)
    if combined == theirs:
        # The same form was posted twice, or a colleague made the same correction.
        return redirect("desk_session", now.public_id)
    return _unsaved_page(request, now, combined, theirs, corrections=corrections, clashes=both, status=409)


def _unsaved_page(request, help_session, values, recorded, *, corrections, clashes, status=200, **context):
    """Show the form with the unsaved `values`. `recorded` contains the saved values.

    `corrections` are the corrections that colleagues have saved. `clashes` contains the names of the fields
    that both the staff member and a colleague changed.
    """
    log_session_opened(request, help_session, at=timezone.now())
    initial = {
        **values,
        "email": request.POST.get("email", ""),
        "version": len(history_of(help_session)),
        "was": json.dumps(recorded),
    }
    picker, current = ItemPicker(_fields_of_rows(initial.pop("items"))), values_of(help_session)
    context |= {
        "corrections": corrections,
        "clashes": [(LABELS[name], in_words(current, [name])[name]) for name in clashes],
    }
    form = _form(request, help_session, initial=initial)
    return _page(request, help_session, form, picker, status=status, **context)


def _version(request):
    """Return the number of corrections that the staff member has seen."""
    seen = request.POST.get("version", "")
    return int(seen) if seen.isdecimal() and len(seen) < 6 else 0


def _others(request, help_session):
    return unfinished_corrections.of_others(help_session, request.user, at=timezone.now())


def _was(request, theirs):
    """Return the values that the page showed. If the posted values are invalid, return the saved ones."""
    try:
        was = parse_json(request.POST.get("was", ""))
    except ValueError:
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
        "items_url": request.path_info,
        "others": _others(request, help_session),
        "untouched_items": untouched_items(picker, request.path_info),
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
