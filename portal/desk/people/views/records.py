"""The page of a person's record, and the views for the buttons on that page."""

from django.contrib import messages
from django.http import Http404
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from accounts.patron.children import WorksAtADesk, end_childs_record, make_childs_record
from accounts.sign_in import passkeys
from accounts.sign_in.access import coordinator_only, staff_only
from portal.conversations import keeping
from portal.desk import slips
from portal.desk.access_log import log_reason, log_record_opened
from portal.desk.people import find
from portal.desk.people.forms import ReasonForm
from portal.desk.people.record_page import consent, record_context, slip_name
from portal.desk.people.to_keep import posted_visit, record_url, visit_to_keep
from portal.helpsessions import account_codes
from portal.helpsessions.keeping import AlreadyKept, OnPaperOnly, QuietSession
from portal.text import uuid_or_none


@staff_only
@require_http_methods(["GET", "HEAD", "POST"])
def patron_record(request, public_id):
    """Show the person's record.

    If the person has no visit or conversation at the staff member's desk, ask for a reason first.
    """
    person, reason = _person_and_reason(request, public_id)
    form = ReasonForm(request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():
        events = log_reason(request, person, at=timezone.now(), reason=form.cleaned_data["reason"])
        find.remember(request, [person], events=events)
        return redirect(record_url(person, visit_to_keep(request)))
    if form.is_bound or not (person.is_near or reason):
        context = {
            "form": form,
            "person": person,
            "masked": find.masked(person.email),
            "to_keep": visit_to_keep(request),
        }
        return render(request, "desk/people/reason.html", context, status=422 if form.is_bound else 200)
    _log_opened(request, person, reason)
    return render(request, "desk/people/record.html", record_context(request, person))


@staff_only
@require_POST
def keep_for_patron(request, public_id):
    """Keep a visit in the account of a patron who asks for this at the desk.

    The staff member first reads the consent to the patron.
    """
    person, _reason = open_record(request, public_id)
    visit = posted_visit(request)
    if visit is None or person.died_at:
        raise Http404
    words, language = consent(request, person, visit)
    try:
        keeping.keep(
            visit,
            by=person,
            at=timezone.now(),
            wording="\n".join(words),
            language=language,
            read_by=request.user,
        )
    except AlreadyKept:
        messages.error(request, _("Someone already has this visit in their account. Nothing was changed."))
    except QuietSession:
        messages.error(request, _("A quiet visit can't have a name. Nothing was changed."))
    except OnPaperOnly:
        messages.error(request, _("This child's visit is on paper only. Nothing was changed."))
    else:
        messages.success(request, _kept_words(person, visit))
    return redirect("patron_record", person.public_id)


def _kept_words(person, visit):
    words = _("%(name)s has this visit in their account now. The code on the slip no longer works.")
    if visit.is_shared and person.is_child:
        words = _("The visit is now in the account of %(name)s, the child.")
    elif visit.is_shared:
        words = _("The visit is now in the account of %(name)s, the adult.")
    return words % {"name": person.display_name}


@staff_only
@require_POST
def make_account_code(request, public_id):
    """Make a code that opens the person's account on their phone.

    Refuse this if the person has another sign-in method, or has signed in before.
    """
    person, _reason = open_record(request, public_id)
    try:
        code = account_codes.make_code(person, by=request.user, at=timezone.now())
    except account_codes.NotForThem:
        words = _("This patron can already sign in, so no code was made.")
        if person.died_at:
            words = _("This patron has died, so no code was made.")
        messages.error(request, words)
    else:
        slips.keep(request.session, slip_name(person), [code], at=timezone.now())
    return redirect("patron_record", person.public_id)


@coordinator_only
@require_POST
def remove_lost_passkey(request, public_id):
    """Remove the passkey on a device that a patron has lost.

    Raise Http404 if the person is a staff member. Coordinators remove the passkeys of staff in the settings.
    """
    person, reason = open_record(request, public_id)
    if person.is_staff or person == request.user:
        raise Http404
    passkey = get_object_or_404(person.passkeys, public_id=uuid_or_none(request.POST.get("passkey")))
    _log_opened(request, person, reason)
    try:
        passkeys.remove_lost(passkey, by=request.user, at=timezone.now())
    except passkeys.OnlySignInMethod:
        messages.error(
            request,
            _(
                "This passkey is the patron's only sign-in method, so it was not removed. First add "
                "an email address or a card to the patron's record."
            ),
        )
    else:
        messages.success(
            request,
            _(
                "Passkey removed. The patron is signed out everywhere, and gets an email if their "
                "address is confirmed."
            ),
        )
    return redirect("patron_record", person.public_id)


@staff_only
@require_POST
def change_childs_record(request, public_id):
    """Turn a record into a child's record, or turn a child's record into a normal record."""
    person, _reason = open_record(request, public_id)
    is_child = request.POST.get("is_child") == "yes"
    change = make_childs_record if is_child else end_childs_record
    try:
        change(person, by=request.user, at=timezone.now())
    except WorksAtADesk:
        messages.error(request, _("This is a staff member's record, so it can't become a child's record."))
    else:
        words = _("This is a child's record now.") if is_child else _("This is no longer a child's record.")
        messages.success(request, words)
    return redirect("patron_record", person.public_id)


def _person_and_reason(request, public_id):
    """Return (the person, reason). The reason is why the staff member looked up the person today, or ""."""
    people = find.at_desk_of(request.user, find.found(request), covering=True)
    person = get_object_or_404(people, public_id=public_id)
    return person, find.reason_for(request, person)


def open_record(request, public_id):
    """Return (the person, reason). The reason is why the staff member looked up the person today, or "".

    Raise Http404 if the staff member must first give a reason.
    """
    person, reason = _person_and_reason(request, public_id)
    if not (person.is_near or reason):
        raise Http404
    return person, reason


def _log_opened(request, person, reason):
    log_record_opened(request, person, at=timezone.now(), reason="" if person.is_near else reason)
