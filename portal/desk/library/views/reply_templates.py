"""The reply templates that coordinators write for all staff."""

from django.contrib import messages
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from accounts.models import Branch
from accounts.sign_in.access import coordinator_only
from portal.conversations import reply_templates as actions
from portal.conversations.models import ReplyTemplate
from portal.desk.languages import language_choices
from portal.desk.library.forms.reply_templates import ReplyTemplateForm
from portal.htmx import render_page
from portal.text import clean

TEMPLATE_FIELDS = ["name", "branch", "language", "body"]


@coordinator_only
@require_GET
def reply_templates(request):
    """List the templates. `language` and `branch` in the URL filter the list.

    `branch` is the slug of a branch, or "all". With "all", list only the templates that are for all branches.
    """
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
        request,
        None,
        {"language": request.library.language},
        _("%(name)s saved. Staff can use the template now."),
    )


@coordinator_only
def reply_template(request, public_id):
    template = get_object_or_404(ReplyTemplate, public_id=public_id)
    return _template_page(
        request,
        template,
        {name: getattr(template, name) for name in TEMPLATE_FIELDS},
        _("%(name)s saved."),
    )


@coordinator_only
def remove_reply_template(request, public_id):
    """Show a confirmation page on GET. Remove the reply template on POST."""
    template = get_object_or_404(ReplyTemplate, public_id=public_id)
    if request.method == "POST":
        actions.remove_template(template, by=request.user, at=timezone.now())
        messages.success(
            request,
            _("%(name)s removed. Answers written with the template don't change.") % {"name": template},
        )
        return redirect("reply_templates")
    return render(request, "desk/library/remove_template.html", {"template": template})


def _template_page(request, template, initial, done):
    """Show the form of a template, or save the template.

    If the button `preview` was pressed, show the text with its placeholders filled in, but save nothing.
    `template` is None if the form adds a new template. `done` is the message that appears after saving.
    """
    if "preview" in request.POST:
        form = ReplyTemplateForm(initial={name: request.POST.get(name, "") for name in TEMPLATE_FIELDS})
    else:
        form = ReplyTemplateForm(request.POST or None, initial=initial)
        if form.is_valid() and _save(form, template, by=request.user):
            messages.success(request, done % {"name": form.cleaned_data["name"]})
            return redirect("reply_templates")
    here = reverse("reply_template", args=[template.public_id]) if template else reverse("add_reply_template")
    form.preview_at(here)
    context = {
        "form": form,
        "template": template,
        "previews": _previews(form, request.user.name),
        "here": here,
    }
    return render_page(request, "desk/library/reply_template.html", context, partial="preview")


def _previews(form, me):
    """Return examples of the text with its placeholders filled in, as [(label, text)]."""
    body, language = clean(form["body"].value() or "", multiline=True), form["language"].value()
    in_language = {"language": language} if language in dict(language_choices()) else {}
    return [
        (
            _("Preview with a name and an item"),
            actions.fill_in(body, patron=_("Sam"), item=_("The Secret Garden"), me=me, **in_language),
        ),
        (_("Preview without a name or an item"), actions.fill_in(body, me=me, **in_language)),
    ]


def _save(form, template, *, by):
    """Save the template and return True, or add an error to the form."""
    try:
        if template:
            actions.change_template(template, by=by, at=timezone.now(), **form.cleaned_data)
        else:
            actions.add_template(by=by, at=timezone.now(), **form.cleaned_data)
    except actions.NameTaken:
        form.add_error(
            "name",
            _("The branch already has a template with this name in this language. Choose another name."),
        )
        return False
    return True
