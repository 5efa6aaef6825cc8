"""A conversation at the desk: read, answered, closed. What arrives while the page is open comes by `desk_news`."""

import datetime
import uuid
import zlib
from collections import defaultdict

from django.contrib import messages
from django.db.models import (
    BigAutoField,
    DateField,
    DateTimeField,
    Exists,
    F,
    Max,
    OuterRef,
    Subquery,
    UUIDField,
)
from django.db.models.functions import Coalesce
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.text import get_text_list
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_POST
from django_htmx.http import HttpResponseClientRedirect

from accounts.sign_in.access import staff_only
from accounts.staff.desk_lock import background_request
from portal.conversations import actions, drafts, presence
from portal.conversations.models import (
    Attachment,
    Conversation,
    Draft,
    Message,
    MessageRecommendation,
    NoteMention,
    Side,
    at_desk_of,
)
from portal.conversations.views import attaching, drafting
from portal.desk import shown_today
from portal.desk.access_log import log_opened, log_reading
from portal.desk.forms import DraftForm, ReplyForm, language_options, typed_beside
from portal.desk.item_picker import ItemPicker, fields_of
from portal.desk.patron_history import beside_context
from portal.desk.queue import conversation_url, neighbors
from portal.desk.timeline import build_timeline
from portal.desk.toolbar import away_columns, toolbar_context
from portal.errors import one_or_404
from portal.helpsessions.models import SessionRecommendation
from portal.htmx import render_page
from portal.prepared import prepared
from portal.text import uuid_or_none
from recommendations.models import Recommendation, each_once

from .conversation_actions import parse_moment, undo_tag
from .items import found_for, items_partial, number_or_none, untouched_part
from .sessions import with_words
from .templates import with_template

KEY = BigAutoField()
SENDS = {"send", "send_anyway"}
OF_THE_ITEMS = ("find", "add_item", "pick-", "remove-")
SHOWN_OF_RECOMMENDATION = (
    *("reason", "starred", "verdict", "question_type", "why", "comment", "decided_at"),
    *("item__title", "item__creators", "item__kind", "item__year", "item__url"),
)
OVERLAP = datetime.timedelta(
    minutes=1
)  # told again with what is new: what was held and is taken back, what was slow to be saved


@staff_only
@require_GET
def desk_conversation(request, public_id):
    conversation = _conversation(request, public_id)
    if conversation.public_id != public_id:
        return redirect("desk_conversation", conversation.public_id)
    return _page(request, conversation)


@staff_only
@background_request
@require_GET
def desk_news(request, public_id):
    """What an open page asks every few seconds: 204, or what is new in the conversation and who is here. That this member of staff is
    here, and whether they are writing, is remembered by it."""
    conversation, at, writing = (
        one_or_404(_polled(public_id=public_id, **_scope(request))),
        timezone.now(),
        "writing" in request.GET,
    )
    around = presence.look(conversation, person=request.user, at=at)
    if request.GET.get("since") == _state_of_page(conversation, around):
        presence.come(conversation, person=request.user, at=at, writing=writing, around=around)
        return HttpResponse(status=204)
    if conversation.status == Conversation.Status.ERASED or conversation.merged_into_id:
        return HttpResponse(
            "<div data-gone></div>"
        )  # the page is opened anew: it says that it was erased, or is the other conversation's
    conversation = _conversation(request, public_id)
    since = parse_moment(request.GET.get("at")) or at
    timeline = build_timeline(
        conversation, user=request.user, at=at, read_until=around.read_until, since=min(since, at) - OVERLAP
    )
    if timeline.entries:
        log_reading(request, conversation, at=at)
    presence.come(
        conversation,
        person=request.user,
        at=at,
        writing=writing,
        read_until=timeline.read_until,
        around=around,
    )
    context = {
        **_timeline_context(request, conversation, timeline, around, at, since=since),
        **toolbar_context(request, conversation, draft=Draft(), is_named=conversation.is_named),
    }
    return render(request, "desk/conversation.html#news", context)


@staff_only
@background_request
@require_POST
def desk_leave(request, public_id):
    """The page was closed: sent by the browser on its way out, and nobody waits for the answer."""
    presence.leave(_conversation(request, public_id), person=request.user)
    return HttpResponse(status=204)


@staff_only
@require_POST
def desk_reply(request, public_id):
    """Whichever button of the composer was pressed: send, throw away, a template, or one of the items part."""
    conversation = _conversation(request, public_id)
    action, form, picker = (
        request.POST.get("action", "send"),
        ReplyForm(request.POST),
        ItemPicker(request.POST),
    )
    if action == "discard":
        return _page(request, conversation, form, picker, asks="discard")
    token = uuid_or_none(request.POST.get("client_token")) if action in SENDS or request.FILES else None
    refused = _take_in_files(request, conversation, token) if token else []
    if action == "discard_now":
        drafts.discard(
            conversation,
            person=request.user,
            side=Side.STAFF,
            kind=Draft.Kind.REPLY,
            client_token=uuid_or_none(request.POST.get("client_token")),
        )
        return _composer_again(request, conversation, _("Thrown away."))
    if action.startswith("template"):
        typed, offered = with_template(request, conversation)
        return _page(request, conversation, ReplyForm(), picker, typed=typed, templates=offered)
    if action not in SENDS:  # a button of the items part
        picker.change(action)
        if request.htmx and action.startswith(OF_THE_ITEMS):
            return items_partial(request, picker, conversation.branch, request.path)
        return _page(request, conversation, form, picker)
    items_fine = picker.check()
    if not form.is_valid() or not items_fine or refused:
        return _page(request, conversation, form, picker, refused=refused, status=422)
    typed = form.cleaned_data
    try:
        sent = actions.reply(
            conversation,
            by=request.user,
            side=Side.STAFF,
            at=timezone.now(),
            body=typed["body"],
            language=typed["language"],
            client_token=typed["client_token"],
            items=picker.chosen(),
            then=typed["then"],
            draft_sequence=typed["sequence"],
            seen=None if action == "send_anyway" else typed["seen"] or 0,
        )
    except actions.AnsweredMeanwhile as meanwhile:
        return _page(request, conversation, form, picker, newer=meanwhile.newer, status=422)
    except actions.Erased:
        return _go(request, conversation)
    if sent.body != typed["body"]:
        return _page(request, conversation, form, picker, asks="sent_otherwise", status=422)
    return _composer_again(request, conversation, _("Sent."), anchor=f"#message-{sent.public_id}")


@staff_only
@require_POST
def desk_draft(request, public_id):
    conversation = _conversation(request, public_id)
    return drafting.keep(
        request,
        conversation,
        DraftForm(request.POST),
        person=request.user,
        side=Side.STAFF,
        typed=typed_beside(request.POST),
    )


@staff_only
@require_POST
def desk_take_back(request, public_id):
    """An answer that the patron hasn't seen is in the composer again, before what was typed there since."""
    conversation, at = _conversation(request, public_id), timezone.now()
    message = conversation.messages.filter(public_id=uuid_or_none(request.POST.get("message"))).first()
    if conversation.status == Conversation.Status.ERASED:
        return _go(request, conversation)
    begun = DraftForm(
        request.POST.dict() | {"sequence": (number_or_none(request.POST.get("sequence")) or 0) + 1}
    )
    if begun.is_valid() and begun.cleaned_data["body"]:
        drafts.keep_both(
            conversation,
            person=request.user,
            side=Side.STAFF,
            typed=typed_beside(request.POST),
            at=at,
            **begun.cleaned_data,
        )
    try:
        if message is None:
            raise actions.TooLate
        given = (
            Recommendation.objects.filter(messagerecommendation__message=message)
            .select_related("item")
            .order_by("messagerecommendation__position")
        )
        typed = fields_of(given, and_then=typed_beside(request.POST)) | {"then": message.then}
        actions.take_back(message, by=request.user, at=at, typed=typed)
    except (actions.TooLate, actions.Erased):
        return _composer_again(
            request,
            conversation,
            _("It is too late to take it back: the patron may have read it."),
            level=messages.WARNING,
        )
    return _composer_again(request, conversation, _("Taken back. The patron never saw it."))


@staff_only
@require_POST
def desk_close(request, public_id):
    conversation = _conversation(request, public_id)
    try:
        actions.close(conversation, by=request.user, side=Side.STAFF, at=timezone.now())
    except actions.Erased:
        return _go(request, conversation)
    words = _("Closed. It opens again when somebody writes.")
    if request.htmx:
        return _composer_again(request, conversation, words)
    conversation.refresh_from_db(fields=["changed_at"])
    messages.info(request, words, extra_tags=undo_tag(request, conversation))
    return _go(request, conversation)


@staff_only
def old_address(request, rest):
    """Redirect an address of an earlier version, as emails and bookmarks have it."""
    query = f"?{request.GET.urlencode()}" if request.GET else ""
    return redirect(f"{reverse('desk')}conversations/{rest}{query}", permanent=True, preserve_request=True)


def _conversation(request, public_id):
    """The conversation, or the one that it was joined into."""
    found = one_or_404(_at_desk(public_id=public_id, **_scope(request)))
    if found.merged_into_id:
        return _conversation(request, found.merged_into.public_id)
    if found.help_session and found.help_session.branch_id == found.branch_id:
        found.help_session.branch = found.branch  # as it mostly is: not looked up twice
    return found


def _scope(request):
    """What at_desk_of asks."""
    user = request.user
    return {
        "person": user.pk,
        "branches": user.desk_branch_ids,
        "shown": shown_today.ids(request),
        "today": request.library.today(),
    }


@prepared(public_id=UUIDField(), person=KEY, branches=KEY, shown=KEY, today=DateField())
def _polled(public_id, person, branches, shown, today):
    conversations = Conversation.objects.filter(
        at_desk_of(person, branches, shown, today), public_id=public_id
    )
    return conversations.only("public_id", "status", "merged_into", "desk_version")


@prepared(public_id=UUIDField(), person=KEY, branches=KEY, shown=KEY, today=DateField())
def _at_desk(public_id, person, branches, shown, today):
    related = "branch", "patron", "assignee", "help_session__topic", "help_session__staff", "readers_form"
    conversations = Conversation.objects.filter(
        at_desk_of(person, branches, shown, today), public_id=public_id
    ).select_related(*related)
    patrons_words = Message.objects.filter(conversation=OuterRef("pk"), side=Side.PATRON).order_by(
        "-sent_at", "-pk"
    )
    return conversations.annotate(
        language_of_patron=Subquery(patrons_words.values("language")[:1]),
        is_named=Exists(
            NoteMention.objects.filter(note__conversation=OuterRef("pk"), person=person, seen_at=None)
        ),
        has_files=Exists(Attachment.objects.filter(conversation=OuterRef("pk"))),
        **away_columns(today),
    )


def _go(request, conversation, anchor=""):
    address = conversation_url(request, conversation) + anchor
    return HttpResponseClientRedirect(address) if request.htmx else redirect(address)


def _composer_again(request, conversation, words, *, anchor="#reply-form", level=messages.INFO):
    """A composer as a reload would show it, and with it what is new in the time line."""
    if not request.htmx:
        messages.add_message(request, level, words)
        return _go(request, conversation, anchor)
    return _swap(
        request,
        _conversation(request, conversation.public_id),
        None,
        None,
        says=words,
        alarm=level == messages.WARNING,
    )


def _page(request, conversation, form=None, picker=None, *, status=200, **more):
    """The whole page; to htmx the composer, with what is new. `form` and `picker`: what was typed, where not as it is kept."""
    if conversation.status == Conversation.Status.ERASED:
        erased = conversation.desk_events.select_related("by").order_by("at").last()
        return render(request, "desk/conversation_erased.html", {"erased": erased})
    if request.htmx:
        return _swap(request, conversation, form, picker, **more)
    at = timezone.now()
    log_opened(request, conversation, at=at)  # whoever draws the page has read it, by whatever button
    around = presence.look(conversation, person=request.user, at=at)
    timeline = build_timeline(
        conversation, user=request.user, at=at, read_until=around.read_until, start=request.GET.get("from")
    )
    presence.come(conversation, person=request.user, at=at, read_until=timeline.read_until, around=around)
    kept = _drafts(request, conversation)
    context = {
        **_timeline_context(request, conversation, timeline, around, at),
        **toolbar_context(request, conversation, draft=kept[Draft.Kind.NOTE], is_named=conversation.is_named),
        **_composer(conversation, kept, request, form, picker, seen=timeline.latest, **more),
        **beside_context(conversation, request.user),
        "queue": neighbors(request, conversation),
        "opens_at": "first-unread" if timeline.unread else "end" if around.read_until else "",
    }
    return render_page(request, "desk/conversation.html", context, status=status)


def _swap(request, conversation, form, picker, **more):
    at = timezone.now()
    around = presence.look(conversation, person=request.user, at=at)
    since = min(parse_moment(request.POST.get("at")) or at, at)
    timeline = build_timeline(
        conversation, user=request.user, at=at, read_until=around.read_until, since=since - OVERLAP
    )
    if timeline.entries or more.get(
        "newer"
    ):  # what others wrote meanwhile stands in the composer, however long ago it was
        log_reading(request, conversation, at=at)
    presence.come(conversation, person=request.user, at=at, read_until=timeline.read_until, around=around)
    kept = _drafts(request, conversation)
    latest = conversation.messages.aggregate(latest=Max("pk"))["latest"] or 0
    context = {
        **_timeline_context(request, conversation, timeline, around, at),
        **toolbar_context(request, conversation, draft=kept[Draft.Kind.NOTE]),
        **_composer(conversation, kept, request, form, picker, seen=latest, **more),
    }
    return render(request, "desk/conversation.html#swapped", context)


def _timeline_context(request, conversation, timeline, around, at, *, since=None):
    """The time line with the items recommended in it, and who is here. `since`: what came later is said aloud."""
    by_message, given = _recommendations(conversation, timeline)
    files = _files(request, conversation, [entry for entry in timeline.entries if entry.shape == "message"])
    for entry in timeline.entries:
        entry.files = files.get(entry.pk) if entry.shape == "message" else None
        entry.given = by_message.get(entry.pk, ()) if entry.shape == "message" else ()
    news = [
        entry.news
        for entry in timeline.entries
        if since and entry.told_at > since and entry.doer != request.user.pk
    ]
    return {
        "conversation": conversation,
        "help_session": conversation.help_session,
        "timeline": timeline,
        "given": given,
        "here": _who_is_here(around),
        "state_of_page": _state_of_page(conversation, around),
        "now": at,
        "announce": ". ".join(dict.fromkeys(news)),
    }


def _state_of_page(conversation, around):
    """What an open page is compared by: what happened, and who is here."""
    here = ",".join(f"{person.pk}{'w' if writing else ''}" for person, writing in around.others)
    return f"{conversation.desk_version}-{zlib.crc32(here.encode()):x}"


def _who_is_here(around):
    """Who else looks at the conversation, in a sentence."""
    writing = [person.display_name for person, writes in around.others if writes]
    looking = [person.display_name for person, writes in around.others if not writes]
    said = []
    if writing:
        said.append(
            ngettext("%(names)s is writing.", "%(names)s are writing.", len(writing))
            % {"names": get_text_list(writing, _("and"))}
        )
    if looking:
        words = ngettext(
            "%(names)s is looking at this too.", "%(names)s are looking at this too.", len(looking)
        )
        said.append(words % {"names": get_text_list(looking, _("and"))})
    return " ".join(said)


def _drafts(request, conversation):
    return drafts.drafts_of(
        conversation, person=request.user, side=Side.STAFF, kinds=[Draft.Kind.REPLY, Draft.Kind.NOTE]
    )


def _composer(
    conversation,
    kept,
    request,
    form,
    picker,
    *,
    seen,
    typed=None,
    templates=None,
    newer=(),
    refused=(),
    asks="",
    says="",
    alarm=False,
):
    """What the composer holds: what was posted, or what is kept. `asks`: a question that it is drawn with; `says`: what just happened."""
    posted = form is not None
    draft = kept[Draft.Kind.REPLY]
    typed = typed or (request.POST if posted else draft.typed)
    token = (uuid_or_none(typed.get("client_token")) if posted else draft.client_token) or uuid.uuid4()
    picker = picker or ItemPicker(typed)
    language = typed.get("language") if posted else draft.language
    items_url = reverse("desk_reply", args=[conversation.public_id])
    return {
        "form": form,
        "picker": picker,
        "composer": {
            "client_token": uuid.uuid4() if asks == "sent_otherwise" else token,
            "sequence": number_or_none(typed.get("sequence")) or 0 if posted else draft.sequence,
            "seen": seen,
            "body": typed.get("body", "") if posted else draft.body,
            "languages": language_options(language or _language(conversation)),
            "then": typed.get("then") or Message.Then.TURN,
            "newer": newer,
            "asks": asks,
            "says": says,
            "alarm": alarm,
        },
        "templates": templates,
        "attached": [file for file in conversation.unsent if file.client_token == token],
        "refused": refused,
        "items_url": items_url,
        "untouched_items": untouched_part(picker, items_url),
        **found_for(picker, conversation.branch),
    }


def _take_in_files(request, conversation, client_token):
    """What came with the form goes into its composer. Returns what could not be taken."""
    if conversation.status == Conversation.Status.ERASED:
        return []
    added, refused = attaching.take_in(
        request, conversation, by=request.user, side=Side.STAFF, client_token=client_token
    )
    conversation.has_files = conversation.has_files or bool(added)
    return refused


def _files(request, conversation, said):
    """{primary key of the message: its files}; and beside the conversation what this person has added and not sent. One look-up for both."""
    files = {}
    if conversation.has_files:
        unsent = Attachment.objects.filter(
            conversation=conversation, message=None, side=Side.STAFF, added_by=request.user
        )
        files = attaching.files_of(conversation, said, unsent=unsent, route="desk_attachment")
    conversation.unsent = files.get(None, [])
    return files


def _language(conversation):
    """The language of the patron's last words, or of the session."""
    session = conversation.help_session
    return conversation.language_of_patron or (session.language if session else "en")


def _recommendations(conversation, timeline):
    """({message's primary key: [recommendations made in it]}, [what this patron was given on this occasion]): nothing of their
    other history. One look-up for both."""
    session = conversation.help_session_id or 0
    own = 0 if session else conversation.recommendation_id or 0
    by_message, given = defaultdict(list), []
    for recommendation in with_words(
        each_once(
            _given(
                conversation=conversation.pk,
                since=timeline.begins or timezone.now(),
                session=session,
                own=own,
            )
        )
    ):
        (by_message[recommendation.message_id] if recommendation.message_id else given).append(recommendation)
    return by_message, given


@prepared(conversation=KEY, since=DateTimeField(), session=KEY, own=KEY)
def _given(conversation, since, session, own):
    chosen = (
        MessageRecommendation.objects.filter(message__conversation=conversation, message__sent_at__gte=since)
        .order_by()
        .values("recommendation")
    )
    of_session = (
        SessionRecommendation.objects.filter(help_session=session).order_by().values("recommendation")
    )
    hung_on = Recommendation.objects.filter(pk=own).order_by().values("pk")
    found = (
        Recommendation.objects.filter(pk__in=chosen.union(of_session, hung_on))
        .select_related("item")
        .only(*SHOWN_OF_RECOMMENDATION)
    )
    place = Coalesce("messagerecommendation__position", "sessionrecommendation__position", 0)
    return (
        found.with_places()
        .annotate(message_id=F("messagerecommendation__message"), place=place)
        .order_by("place", "pk", "stands_at")
    )
