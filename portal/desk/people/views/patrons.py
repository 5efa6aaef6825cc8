"""The people desk: a patron looked up, their record, one written down at the desk, a visit kept for them; and who looked without a visit."""

from django.conf import settings
from django.contrib import messages
from django.db.models import Exists, OuterRef, Q
from django.http import Http404
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import override
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.patron import people
from accounts.patron.children import WorksAtADesk, end_childs_record, make_childs_record
from accounts.sign_in import passkeys
from accounts.sign_in.access import coordinator_only, staff_only
from portal import limits
from portal.conversations import keeping
from portal.conversations.models import Conversation
from portal.conversations.views.keeping import wording
from portal.desk import shown_today, slips
from portal.desk.access_log import log_looked_up, log_reason, log_record_opened
from portal.desk.people import find
from portal.desk.people.forms import IdentifierForm, LettersForm, NewPatronForm, ReasonForm
from portal.desk.people.lookups_with_reason import lookups_page
from portal.helpsessions import account_codes, codes
from portal.helpsessions.keeping import AlreadyKept, OnPaperOnly, QuietSession
from portal.helpsessions.models import HelpSession
from portal.paging import page_of
from portal.privacy.unmerging import can_be_unmerged
from portal.text import uuid_or_none
from recommendations.models import topic_names


@staff_only
@require_http_methods(["GET", "POST"])
def patrons(request):
    """By a whole identifier: one person, or nobody."""
    form = IdentifierForm(request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid() and limits.counted(request, form, "identifier", "look_up"):
        if person := find.by_identifier(form.cleaned_data["identifier"]):
            log_looked_up(request, [person], at=timezone.now())
            find.remember(request, [person])
            return redirect(_record_url(person, _to_keep(request)))
        form.add_error(
            "identifier",
            _("Nobody has this card number or address here. Compare it with what they say, or add them."),
        )
    return _look_up_page(request, form=form, status=422 if form.is_bound else 200)


@staff_only
@require_POST
def patrons_by_name(request):
    """By letters and a reason: the few who fit, or the advice to write more."""
    form, at, fitting = LettersForm(request.POST), timezone.now(), None
    if form.is_valid() and limits.counted(request, form, "letters", "look_up_by_name"):
        try:
            fitting = find.by_name(form.cleaned_data["letters"])
        except find.TooMany:
            form.add_error(
                "letters", _("More than %(few)s people fit. Write more of the name.") % {"few": find.FEW}
            )
        else:
            find.remember(
                request,
                fitting,
                because=log_looked_up(request, fitting, at=at, reason=form.cleaned_data["reason"]),
            )
            to_keep = _to_keep(request)
            for person in fitting:
                person.url, person.masked = _record_url(person, to_keep), find.masked(person.email)
    return _look_up_page(request, letters_form=form, fitting=fitting, status=200 if form.is_valid() else 422)


@staff_only
@require_http_methods(["GET", "HEAD", "POST"])
def patron_record(request, public_id):
    """Their record. Where this desk has nothing to do with them, a reason comes first."""
    person, reason = _person(request, public_id)
    form = ReasonForm(request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():
        find.remember(
            request,
            [person],
            because=log_reason(request, person, at=timezone.now(), reason=form.cleaned_data["reason"]),
        )
        return redirect(_record_url(person, _to_keep(request)))
    if form.is_bound or not (person.is_near or reason):
        context = {
            "form": form,
            "person": person,
            "masked": find.masked(person.email),
            "to_keep": _to_keep(request),
        }
        return render(request, "desk/people/reason.html", context, status=422 if form.is_bound else 200)
    log_record_opened(request, person, at=timezone.now(), reason="" if person.is_near else reason)
    return _record_page(request, person)


@staff_only
@require_http_methods(["GET", "POST"])
def add_patron(request):
    """Somebody who wants to be known here, with an address or without."""
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
            if known := find.by_identifier(
                form.cleaned_data["email"]
            ):  # that they are here is an answer as well
                log_looked_up(request, [known], at=timezone.now())
            form.add_error("email", _("Somebody has this address here already. Look them up by it."))
        else:
            find.remember(
                request,
                [person],
                because=log_reason(request, person, at=timezone.now(), reason=_("Added at the desk")),
            )
            messages.success(request, _("%(name)s is added.") % {"name": person.display_name})
            return redirect(_record_url(person, _to_keep(request)))
    return render(
        request,
        "desk/people/add.html",
        {"form": form, "to_keep": _to_keep(request)},
        status=422 if form.is_bound else 200,
    )


@staff_only
@require_POST
def keep_for_patron(request, public_id):
    """They say at the desk that they want to keep a visit: the words of the consent were read to them."""
    person, reason = _person(request, public_id)
    if not (person.is_near or reason):
        raise Http404
    help_session = _session_named(request)
    if help_session is None:
        raise Http404
    words, language = _consent(request, person, help_session)
    try:
        keeping.keep(
            help_session,
            by=person,
            at=timezone.now(),
            wording="\n".join(words),
            language=language,
            read_by=request.user,
        )
    except AlreadyKept:
        messages.error(request, _("Somebody keeps this visit already. Nothing was changed."))
    except QuietSession:
        messages.error(request, _("A quiet visit is never tied to a name. Nothing was changed."))
    except OnPaperOnly:
        messages.error(request, _("This child's visit is on paper only. Nothing was changed."))
    else:
        kept = _("%(name)s keeps this visit now. The code on the slip no longer works.")
        if help_session.is_shared:
            kept = (
                _("%(name)s keeps this visit now, as the child.")
                if person.is_child
                else _("%(name)s keeps this visit now, as the adult beside the child.")
            )
        messages.success(request, kept % {"name": person.display_name})
    return redirect("patron_record", person.public_id)


@staff_only
@require_POST
def make_account_code(request, public_id):
    """A code for their phone: for somebody whom nothing else lets in yet."""
    person, reason = _person(request, public_id)
    if not (person.is_near or reason):
        raise Http404
    try:
        code = account_codes.make_code(person, by=request.user, at=timezone.now())
    except account_codes.NotForThem:
        messages.error(request, _("They have a way in already. No code was made."))
    else:
        slips.keep(request.session, _slip_of(person), [code], at=timezone.now())
    return redirect("patron_record", person.public_id)


@coordinator_only
@require_POST
def remove_lost_passkey(request, public_id):
    """Of a patron who lost the device on which it is. That of staff is removed with all that opens the desk, in the settings."""
    person, reason = _person(request, public_id)
    if not (person.is_near or reason) or person.is_staff or person == request.user:
        raise Http404
    passkey = get_object_or_404(person.passkeys, public_id=uuid_or_none(request.POST.get("passkey")))
    log_record_opened(request, person, at=timezone.now(), reason="" if person.is_near else reason)
    try:
        passkeys.remove_lost(passkey, by=request.user, at=timezone.now())
    except passkeys.OnlySignInMethod:
        messages.error(
            request,
            _(
                "Nothing else lets them in, so nothing was removed. With an e-mail address or a card on their record it can be."
            ),
        )
    else:
        messages.success(
            request,
            _(
                "The passkey is removed, and they are signed out everywhere. They are told by mail, if their address is confirmed."
            ),
        )
    return redirect("patron_record", person.public_id)


@staff_only
@require_POST
def change_childs_record(request, public_id):
    """It is a child's from now on, or no longer."""
    person, reason = _person(request, public_id)
    if not (person.is_near or reason):
        raise Http404
    change = make_childs_record if request.POST.get("is_child") == "yes" else end_childs_record
    try:
        change(person, by=request.user, at=timezone.now())
    except WorksAtADesk:
        messages.error(request, _("They work at a desk. Nothing was changed."))
    else:
        messages.success(
            request,
            _("This is a child's record now.")
            if change is make_childs_record
            else _("This is no longer a child's record."),
        )
    return redirect("patron_record", person.public_id)


@coordinator_only
@require_GET
def lookups(request):
    """Who looked at somebody with whom their desk had nothing to do, and why."""
    return render(request, "desk/people/lookups_with_reason.html", lookups_page(request.GET))


def _person(request, public_id):
    """(the person, the reason given today or "")."""
    person = get_object_or_404(find.at_desk_of(request.user, find.found(request)), public_id=public_id)
    return person, find.reason_for(request, person)


def _session_named(request):
    """The visit that the form or the address names, if it is one of this desk that can be handed over; or None."""
    named = uuid_or_none(request.POST.get("session") or request.GET.get("session"))
    counts_a_conversation = Exists(Conversation.objects.filter(logged_as=OuterRef("pk")))
    mine = (
        HelpSession.objects.at_desk_of(request.user, shown_today.ids(request))
        .recorded()
        .filter(~counts_a_conversation)
    )
    return mine.filter(public_id=named).first() if named else None


def _to_keep(request):
    """The visit that is waiting to be kept for whoever is found; None where that can't be."""
    found = _session_named(request)
    return found if found and not (found.quiet or found.is_on_paper_only or found.is_fully_kept) else None


def _record_url(person, to_keep):
    return reverse("patron_record", args=[person.public_id]) + (
        f"?session={to_keep.public_id}" if to_keep else ""
    )


def _consent(request, person, help_session):
    """(sentences, their language): what is read to this person before the visit is kept for them."""
    language = person.language if person.language in dict(settings.LANGUAGES) else settings.LANGUAGE_CODE
    with override(language):
        return wording(person, timezone.now(), request.library, help_session), language


def _slip_of(person):
    return f"record {person.public_id}"


def _code_context(request, person):
    """The code that was just made for them, to be read aloud or scanned; and whether one may be made."""
    code = next(iter(slips.kept(request.session, _slip_of(person), at=timezone.now())), "")
    context = {"may_have_code": account_codes.may_have_code(person)}
    if code and context["may_have_code"]:
        qr = slips.qr_svg(slips.link(code), _("QR code that opens this page on a phone"))
        context |= {"grouped": codes.grouped(code), "qr": qr, "link_page": slips.typed_at()}
    return context


def _look_up_page(request, *, form=None, letters_form=None, fitting=None, status=200):
    context = {
        "form": form or IdentifierForm(),
        "letters_form": letters_form or LettersForm(),
        "form_error": bool(letters_form and letters_form.errors),
        "fitting": fitting,
        "to_keep": _to_keep(request),
    }
    return render(request, "desk/people/look_up.html", context, status=status)


def _record_page(request, person):
    visits = (
        HelpSession.objects.filter(Q(patron=person) | Q(shared_with=person))
        .recorded()
        .select_related("branch", "staff", "topic")
        .prefetch_related(*topic_names("topic__names"))
    )
    visits, older_visits = page_of(visits, "happened_on", request.GET.get("after"))
    conversations = (
        Conversation.objects.filter(patron=person)
        .not_merged()
        .exclude(status=Conversation.Status.ERASED)
        .select_related("branch")
    )
    conversations, older_conversations = page_of(conversations, "opened_at", request.GET.get("older"))
    openable = set(
        Conversation.objects.at_desk_of(request.user, shown_today.ids(request))
        .filter(pk__in=[t.pk for t in conversations])
        .values_list("pk", flat=True)
    )
    for conversation in conversations:
        conversation.may_open = conversation.pk in openable
    shown = shown_today.ids(request)
    for visit in visits:
        visit.may_open = (
            visit.branch_id in request.user.desk_branch_ids
            or visit.staff_id == request.user.pk
            or visit.pk in shown
        )
    to_keep = _to_keep(request)
    words, language = _consent(request, person, to_keep)
    context = {
        "person": person,
        "cards": list(person.library_cards.select_related("home_branch")),
        "is_confirmed": person.emailaddress_set.filter(verified=True).exists(),
        "visits": visits,
        "older_visits": older_visits,
        "conversations": conversations,
        "older_conversations": older_conversations,
        "to_keep": to_keep,
        "wording": words,
        "wording_language": language,
        **_code_context(request, person),
        "passkeys": list(person.passkeys.all())
        if request.user.is_coordinator and not person.is_staff and person != request.user
        else [],
        "joined": can_be_unmerged(person, at=timezone.now()) if request.user.is_coordinator else [],
    }
    return render(request, "desk/people/record.html", context)
