"""The answers that are often given: offered in the composer, and written by a coordinator."""

from django.contrib import messages
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from accounts.models import Branch
from accounts.sign_in.access import coordinator_only, staff_only
from portal.conversations import reply_templates as actions
from portal.conversations.models import Conversation, ReplyTemplate
from portal.desk import shown_today
from portal.desk.forms import language_choices
from portal.desk.library.forms import ReplyTemplateForm
from portal.htmx import render_page
from portal.text import clean, uuid_or_none

FIELDS = ["name", "branch", "language", "body"]


@staff_only
@require_GET
def desk_templates(request):
    """Those that may be used in the conversation named by `conversation`, filled in; with `q` those that hold its words."""
    conversations = Conversation.objects.at_desk_of(request.user, shown_today.ids(request)).select_related(
        "patron", "help_session", "recommendation__item"
    )
    conversation = get_object_or_404(conversations, public_id=uuid_or_none(request.GET.get("conversation")))
    offered = actions.offered_in(conversation, by=request.user, query=request.GET.get("q", ""))
    return render(request, "desk/template_picker.html#offered", {"templates": offered})


def with_template(request, conversation):
    """(what the composer holds, what it offers) after its button `templates`, or one of those that this shows, was pressed: without
    JavaScript both post what was typed. Nothing is sent."""
    typed = request.POST.dict()
    chosen = actions.chosen_in(conversation, typed["action"].removeprefix("template-"), by=request.user)
    if chosen is None:
        return typed, actions.offered_in(conversation, by=request.user)
    written = typed.get("body", "").rstrip()
    if written:
        return typed | {"body": f"{written}\n\n{chosen.text}"}, None
    return typed | {"body": chosen.text, "language": chosen.language}, None


# For coordinators.


@coordinator_only
@require_GET
def reply_templates(request):
    """All of them; with `branch` (a slug, or "all" for those of every branch) and `language` only these."""
    branch, language = clean(request.GET.get("branch", "")), clean(request.GET.get("language", ""))
    rows = ReplyTemplate.objects.select_related("branch")
    names = dict(language_choices())
    languages = [
        (code, names.get(code, code))
        for code in rows.order_by("language").values_list("language", flat=True).distinct()
    ]
    if branch:
        rows = rows.filter(branch=None) if branch == "all" else rows.filter(branch__slug=branch)
    if language:
        rows = rows.filter(language=language)
    rows = list(rows)
    for row in rows:
        row.language_name = names.get(row.language, row.language)
    context = {
        "rows": rows,
        "branch": branch,
        "language": language,
        "branches": Branch.objects.filter(closed_at=None),
        "languages": languages,
    }
    return render(request, "desk/library/reply_templates.html", context)


@coordinator_only
def add_reply_template(request):
    return _template_page(
        request, None, {"language": request.library.language}, _("%(name)s can be used now.")
    )


@coordinator_only
def reply_template(request, public_id):
    template = get_object_or_404(ReplyTemplate, public_id=public_id)
    return _template_page(
        request, template, {name: getattr(template, name) for name in FIELDS}, _("%(name)s is changed.")
    )


@coordinator_only
def remove_reply_template(request, public_id):
    template = get_object_or_404(ReplyTemplate, public_id=public_id)
    if request.method == "POST":
        actions.remove_template(template, by=request.user, at=timezone.now())
        messages.success(
            request,
            _("%(name)s is removed. Answers that were written with it stay as they are.")
            % {"name": template},
        )
        return redirect("reply_templates")
    return render(request, "desk/library/remove_template.html", {"template": template})


def _template_page(request, template, initial, done):
    """The form of one, filled as it was or is typed; the button `preview` shows how it reads and saves nothing."""
    if "preview" in request.POST:
        form = ReplyTemplateForm(initial={name: request.POST.get(name, "") for name in FIELDS})
    else:
        form = ReplyTemplateForm(request.POST or None, initial=initial)
        if form.is_valid() and _save(form, template, by=request.user):
            messages.success(request, done % {"name": form.cleaned_data["name"]})
            return redirect("reply_templates")
    here = reverse("reply_template", args=[template.public_id]) if template else reverse("add_reply_template")
    as_one_types = {
        "hx-post": here,
        "hx-trigger": "input changed delay:400ms",
        "hx-vals": '{"preview": "1"}',
        "hx-sync": "this:replace",
    }
    form.fields["body"].widget.attrs |= {**as_one_types, "hx-target": "#preview", "hx-swap": "outerHTML"}
    context = {
        "form": form,
        "template": template,
        "previews": _previews(form, request.user.name),
        "here": here,
    }
    return render_page(request, "desk/library/reply_template.html", context, partial="preview")


def _previews(form, me):
    """[(for whom, how it reads)]"""
    body, language = clean(form["body"].value() or "", multiline=True), form["language"].value()
    in_language = {"language": language} if language in dict(language_choices()) else {}
    return [
        (
            _("With a name and an item"),
            actions.fill_in(body, patron=_("Sam"), item=_("The Secret Garden"), me=me, **in_language),
        ),
        (_("Without either"), actions.fill_in(body, me=me, **in_language)),
    ]


def _save(form, template, *, by):
    """Whether it was saved; otherwise the form says why not."""
    try:
        if template:
            actions.change_template(template, by=by, at=timezone.now(), **form.cleaned_data)
        else:
            actions.add_template(by=by, at=timezone.now(), **form.cleaned_data)
    except actions.NameTaken:
        form.add_error("name", _("The branch has a template of this name in this language."))
        return False
    return True
