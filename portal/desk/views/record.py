"""Recording a help session: now, in pieces, or later."""

from django.contrib import messages
from django.http import Http404
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from accounts.models import AuditEvent
from accounts.sign_in.access import staff_only
from portal import limits
from portal.conversations import desk_actions
from portal.conversations.changes import Erased
from portal.conversations.models import Conversation, Side
from portal.desk import shown_today, slips
from portal.desk.access_log import log_opened
from portal.desk.forms import RecordForm, defaults_after, says_something, token_in, typed_fields
from portal.desk.item_picker import ItemPicker
from portal.helpsessions import actions, handover, unfinished
from portal.helpsessions.models import HelpSession
from portal.htmx import render_page
from portal.text import uuid_or_none
from recommendations.models import QuestionType

from .items import branch_named, found_for, items_partial, service_point
from .tally import tally_context

SAVES = {"save", "save_only"}  # with and without a code for the patron


@staff_only
@require_http_methods(["GET", "POST"])
def record(request):
    if request.method == "GET":
        last = (
            HelpSession.objects.at_desk_of(request.user)
            .recorded()
            .filter(staff=request.user)
            .latest_first()
            .first()
        )
        first = defaults_after(last, user=request.user, library=request.library, at=timezone.now())
        if "conversation" in request.GET:
            conversation = _conversation(request, request.GET["conversation"]) or _not_there()
            if conversation.logged_as_id:
                messages.info(request, _("This conversation was logged as a contact already."))
                return redirect("desk_conversation", conversation.public_id)
            log_opened(request, conversation, at=timezone.now(), where=AuditEvent.Where.RECORD)
            first |= _said_in(conversation, request.user)
        return _page(request, _form(request, initial=first), ItemPicker())
    token, action = token_in(request.POST), request.POST.get("action", "save")
    draft = _begun(request, token)
    if draft is not None and draft.status == HelpSession.Status.RECORDED:
        return redirect(
            "desk_session" if request.POST.get("conversation") else "slip", draft.public_id
        )  # posted twice
    if action in SAVES:
        return _save(request, draft, token, hand_over=action == "save")
    if action == "later":
        return _finish_later(request, draft, token)
    return _edit_items(request, draft, token, action)


@staff_only
@require_http_methods(["GET"])
def finish_session(request, public_id):
    """A session that was begun, with all that was typed."""
    draft = get_object_or_404(
        HelpSession.objects.at_desk_of(request.user).select_related("unfinished_form"), public_id=public_id
    )
    if draft.status == HelpSession.Status.RECORDED:
        return redirect("desk_session", public_id)
    if draft.status != HelpSession.Status.UNFINISHED:
        raise Http404
    fields = draft.unfinished_form.fields if hasattr(draft, "unfinished_form") else {}
    form = _form(request, initial={**fields, "token": draft.public_id})
    return _page(request, form, ItemPicker({**fields, "q": request.GET.get("q", "")}), draft=draft)


@staff_only
@require_POST
def autosave(request):
    """Keep the form as it stands. The page's address becomes that of the session begun, so that a reload shows it again."""
    token = token_in(request.POST)
    draft = _begun(request, token)
    if draft is None or draft.status == HelpSession.Status.UNFINISHED:
        draft = _keep(request, draft, token)
    kept = {
        "draft": draft,
        "saved_at": timezone.now(),
        "secret_number": _form(request, data=request.POST).secret_number,
    }
    response = render(request, "desk/record.html#kept", kept)
    if draft.status == HelpSession.Status.UNFINISHED:
        response["HX-Replace-Url"] = reverse("finish_session", args=[draft.public_id])
    return response


@staff_only
@require_http_methods(["GET", "POST"])
def discard_session(request, public_id):
    draft = get_object_or_404(
        HelpSession.objects.at_desk_of(request.user).unfinished().select_related("unfinished_form"),
        public_id=public_id,
    )
    if request.method == "GET":
        return render(request, "desk/discard.html", {"draft": with_first_words(draft)})
    unfinished.discard_unfinished(draft, by=request.user, at=timezone.now())
    messages.info(request, _("Discarded."))
    return redirect("record")


def tray(request):
    """What this member of staff began and has not finished: what its line says, and no more."""
    begun = HelpSession.objects.unfinished().filter(staff=request.user)
    lines = begun.values_list("pk", "public_id", "created_at", "branch__name", "unfinished_form__fields")
    return [
        {
            "pk": pk,
            "public_id": public_id,
            "created_at": created_at,
            "branch": branch,
            "first_words": _first_words(fields or {}),
        }
        for pk, public_id, created_at, branch, fields in lines
    ]


def with_first_words(draft):
    """An unfinished session with what it can be told by."""
    draft.first_words = _first_words(
        draft.unfinished_form.fields if hasattr(draft, "unfinished_form") else {}
    )
    return draft


def _first_words(fields):
    return (
        fields.get("question")
        or fields.get("summary")
        or fields.get("items-0-title")
        or _("Nothing written yet")
    )


def _save(request, draft, token, *, hand_over):
    picker = ItemPicker(request.POST)
    items_fine = picker.check()
    form = _form(request, data=request.POST, has_items=bool(picker.rows))
    warn = form.secret_number and "warned" not in request.POST
    if not form.is_valid() or not items_fine or warn:
        if draft is not None or says_something(request.POST):
            draft = _keep(request, draft, token)
        return _page(request, form, picker, draft=draft, warned=form.secret_number, status=422)
    fields, at = form.cleaned_data, timezone.now()
    card, counted = fields.pop("card"), fields.pop("conversation")
    if counted:
        return _log(
            request, form, picker, draft, token, _conversation(request, counted) or _not_there(), fields
        )
    if card:
        draft = _keep(request, draft, token)
        if not _attach(request, form, draft, card):
            return _page(request, form, picker, draft=draft, warned=form.secret_number, status=422)
    if fields["happened_on"] == request.library.today(at):
        fields["service_point"] = service_point(request, fields["branch"])
    help_session = actions.record(by=request.user, at=at, items=picker.chosen(), unfinished=draft, **fields)
    if hand_over and help_session.is_on_paper_only:
        handover.hand_over_on_paper(help_session, by=request.user, at=at)
    elif hand_over and not help_session.claim_codes.live(at).exists():
        slips.keep(
            request.session,
            help_session.public_id,
            [handover.hand_over(help_session, by=request.user, at=at, base_url=slips.base_url())],
            at=at,
        )
    return redirect("slip" if hand_over else "desk_session", help_session.public_id)


def _log(request, form, picker, draft, token, conversation, fields):
    """The answer that took real work becomes a contact, of nobody in particular, and leads back to its conversation."""
    contact = {**fields, "items": picker.chosen(), "unfinished": draft}
    try:
        desk_actions.log_as_contact(conversation, by=request.user, at=timezone.now(), **contact)
    except (desk_actions.AlreadyLogged, Erased):
        form.add_error(
            None,
            _(
                "This conversation was logged as a contact already, or is erased. This one is not saved: it can be discarded."
            ),
        )
        return _page(request, form, picker, draft=_keep(request, draft, token), status=422)
    messages.success(request, _("Logged as a contact."))
    return redirect("desk_conversation", conversation.public_id)


def _conversation(request, public_id):
    """The conversation of which the form tells, or None."""
    conversations = (
        Conversation.objects.at_desk_of(request.user, shown_today.ids(request))
        .not_merged()
        .exclude(status=Conversation.Status.ERASED)
    )
    public_id = uuid_or_none(str(public_id or ""))
    return (
        conversations.select_related("help_session", "readers_form", "branch", "patron")
        .filter(public_id=public_id)
        .first()
        if public_id
        else None
    )


def _not_there():
    raise Http404


def _said_in(conversation, user):
    """How the form begins for a contact that was a conversation: with the patron's first words, and no name."""
    session, asked = (
        conversation.help_session,
        conversation.messages.filter(side=Side.PATRON).in_order().first(),
    )
    readers_advisory = conversation.reason == Conversation.Reason.READERS_ADVISORY or hasattr(
        conversation, "readers_form"
    )
    said = {
        "conversation": conversation.public_id,
        "mode": HelpSession.Mode.WEB_FORM,
        "topic": conversation.topic_id or (session.topic_id if session else None),
    }
    said["question"] = asked.body if asked else conversation.subject
    said["question_type"] = (
        QuestionType.READERS_ADVISORY
        if readers_advisory
        else session.question_type
        if session
        else QuestionType.REFERENCE
    )
    said["quiet"] = session is not None and session.quiet
    if asked or session:
        said["language"] = asked.language if asked else session.language
    if conversation.branch_id in user.desk_branch_ids:
        said["branch"] = conversation.branch_id
    return said


def _finish_later(request, draft, token):
    draft = _keep(request, draft, token)
    form = _form(request, data=request.POST)
    form.is_valid()
    card = form.cleaned_data.get("card")
    if "card" in form.errors or (card and not _attach(request, form, draft, card)):
        return _page(
            request, _only_the_error_of("card", form), ItemPicker(request.POST), draft=draft, status=422
        )
    messages.success(request, _("It is on your tray, to be finished later."))
    return redirect("record")


def _edit_items(request, draft, token, action):
    """A button of the items part: the whole form comes along, and is kept before the part, or the page, is shown again."""
    picker = ItemPicker(request.POST)
    picker.change(action)
    fields = {
        name: value
        for name, value in typed_fields(request.POST).items()
        if not name.startswith(("items-", "new-"))
    }
    draft = _keep(request, draft, token, fields | picker.fields())
    if request.htmx:
        response = items_partial(request, picker, branch_named(request), reverse("record"))
        response["HX-Replace-Url"] = reverse("finish_session", args=[draft.public_id])
        response["HX-Trigger-After-Settle"] = (
            "items-changed"  # an autosave under way must not have the last word
        )
        return response
    if picker.written.errors:
        return _page(
            request,
            _form(request, initial={**fields, "token": draft.public_id}),
            picker,
            draft=draft,
            status=422,
        )
    find = f"?q={picker.query_for_url}" if picker.query_for_url else ""
    return redirect(reverse("finish_session", args=[draft.public_id]) + find + "#items")


def _attach(request, form, help_session, card):
    if not limits.counted(request, form, "card", "code_at_desk"):
        return False
    try:
        handover.attach_code_card(help_session, code=card, by=request.user, at=timezone.now())
    except handover.UnknownCodeCard:
        form.add_error("card", _("No card has this code. Please compare it with the card."))
    except handover.CodeCardAlreadyAttached:
        form.add_error(
            "card",
            _("This card belongs to another session already, or is too old. Give the patron another card."),
        )
    return "card" not in form.errors


def _only_the_error_of(name, form):
    """The form as it was typed, with the complaint about one field: the rest may wait."""
    errors = form.errors.get(name)
    form._errors = type(form.errors)({name: errors})
    return form


def _begun(request, token):
    """The session that has this form's token, if it was begun; somebody else's is not there."""
    mine = HelpSession.objects.at_desk_of(request.user)
    begun = mine.filter(public_id=token).first()
    # One query, so that another post of this form, which begins the session at this moment, is not taken for a stranger's.
    somebody_elses = (
        begun is None
        and HelpSession.objects.filter(public_id=token).exclude(pk__in=mine.values("pk")).exists()
    )
    if somebody_elses or (begun is not None and begun.status == HelpSession.Status.TALLY):
        raise Http404
    return begun


def _keep(request, draft, token, fields=None):
    fields = typed_fields(request.POST) if fields is None else fields
    if draft is None:
        branch = branch_named(request)
        return unfinished.start_unfinished(
            by=request.user, at=timezone.now(), branch=branch, fields=fields, token=token
        )
    unfinished.save_unfinished(draft, fields=fields, at=timezone.now())
    return draft


def _form(request, **kwargs):
    return RecordForm(user=request.user, library=request.library, at=timezone.now(), **kwargs)


def _page(request, form, picker, *, draft=None, warned=False, status=200):
    if status != 200:
        del form.fields["question"].widget.attrs["autofocus"]  # the summary of the mistakes has the focus
    conversation = _conversation(request, form["conversation"].value())
    if conversation is not None:
        form.fields["summary"].label, form.fields["summary"].help_text = (
            _("Summary"),
            "",
        )  # nobody but the desk reads it
    context = {
        "form": form,
        "picker": picker,
        "items_url": reverse("record"),
        "draft": draft,
        "warned": warned,
        "secret_number": warned,
        "card_attached": draft is not None and draft.claim_codes.live(timezone.now()).exists(),
        "conversation": conversation,
        "tray": [begun for begun in tray(request) if draft is None or begun["pk"] != draft.pk],
        **found_for(picker, branch_named(request)),
        **tally_context(request),
    }
    return render_page(request, "desk/record.html", context, status=status)
