"""Views that look up a patron, add a patron, and list the look-ups with a reason."""

from django.contrib import messages
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.patron import people
from accounts.sign_in.access import coordinator_only, staff_only
from accounts.sign_in.library_cards import cards_exist
from portal import limits
from portal.desk.access_log import log_looked_up, log_reason
from portal.desk.people import find
from portal.desk.people.forms import IdentifierForm, LettersForm, NewPatronForm
from portal.desk.people.lookups_with_reason import lookups_page
from portal.desk.people.namesakes import tell_apart
from portal.desk.people.to_keep import record_url, visit_to_keep


@staff_only
@require_http_methods(["GET", "POST"])
def patrons(request):
    """Find the one person who has this full card number or email address."""
    form = IdentifierForm(request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid() and limits.counted(request, form, "identifier", "look_up"):
        if person := find.by_identifier(form.cleaned_data["identifier"]):
            log_looked_up(request, [person], at=timezone.now())
            find.remember(request, [person])
            return redirect(record_url(person, visit_to_keep(request)))
        form.add_error("identifier", _nobody_found())
    # On a page with an error, the list of errors gets the focus.
    form.fields["identifier"].widget.attrs["autofocus"] = not form.is_bound
    return _page(request, form=form, status=422 if form.is_bound else 200)


def _nobody_found():
    if not cards_exist():
        return _("We found nobody with this address. Check it with the patron, or add the patron.")
    return _(
        "We found nobody with this card number or address. Check the number or address with "
        "the patron, or add the patron."
    )


@staff_only
@require_POST
def patrons_by_name(request):
    """List the people whose names match. Log the reason of the search for each person found.

    If too many people match, list nobody and ask for more letters.
    """
    form, at, people_found = LettersForm(request.POST), timezone.now(), None
    if form.is_valid() and limits.counted(request, form, "letters", "look_up_by_name"):
        try:
            people_found = find.by_name(form.cleaned_data["letters"])
        except find.TooMany:
            words = _("More than %(few)s people match. Enter more of the name.")
            form.add_error("letters", words % {"few": find.MAX_LISTED})
        else:
            events = log_looked_up(request, people_found, at=at, reason=form.cleaned_data["reason"])
            find.remember(request, people_found, events=events)
            visit = visit_to_keep(request)
            tell_apart(people_found)
            for person in people_found:
                person.url, person.masked = record_url(person, visit), find.masked(person.email)
    status = 200 if form.is_valid() else 422
    return _page(request, letters_form=form, fitting=people_found, status=status)


@staff_only
@require_http_methods(["GET", "POST"])
def add_patron(request):
    """Add a patron. The email address is optional."""
    library = request.library
    form = NewPatronForm(
        request.POST if request.method == "POST" else None,
        initial={"language": library.language},
        library=library,
    )
    if form.is_bound and form.is_valid() and limits.counted(request, form, None, "look_up"):
        try:
            person = people.person_added_at_desk(by=request.user, at=timezone.now(), **form.cleaned_data)
        except people.AddressTaken:
            # The error reveals that the library knows this person, so the log records a look-up.
            if known := find.by_identifier(form.cleaned_data["email"]):
                log_looked_up(request, [known], at=timezone.now())
            form.add_error(
                "email", _("Someone already has this email address. Use the address to look up this person.")
            )
        else:
            events = log_reason(request, person, at=timezone.now(), reason=_("Added at the desk"))
            find.remember(request, [person], events=events)
            messages.success(request, _("%(name)s added.") % {"name": person.display_name})
            return redirect(record_url(person, visit_to_keep(request)))
    context = {"form": form, "to_keep": visit_to_keep(request)}
    return render(request, "desk/people/add.html", context, status=422 if form.is_bound else 200)


@coordinator_only
@require_GET
def lookups(request):
    """List the look-ups that staff gave a reason for.

    Staff must give a reason to look up a patron who has no visit or conversation at their desk.
    """
    return render(request, "desk/people/lookups_with_reason.html", lookups_page(request.GET))


def _page(request, *, form=None, letters_form=None, fitting=None, status=200):
    context = {
        "form": form or IdentifierForm(),
        "letters_form": letters_form or LettersForm(),
        "form_error": bool(letters_form and letters_form.errors),
        "fitting": fitting,
        "to_keep": visit_to_keep(request),
        "cards_exist": cards_exist(),
    }
    return render(request, "desk/people/look_up.html", context, status=status)
