"""The form that adds a kit, changes a kit, or puts the items of a visit into a kit."""

import uuid
from types import SimpleNamespace
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import messages
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from accounts.sign_in.access import staff_only
from portal.desk import shown_today
from portal.desk.access_log import log_sessions_read
from portal.desk.branches import branch_for
from portal.desk.forms.kits import KitForm, too_many_kits
from portal.desk.item_picker import ItemPicker, fields_of
from portal.desk.items_part import items_context, search_context
from portal.desk.kit_rows import items_of
from portal.desk.kits_page import editable_kits, shown_kits
from portal.desk.languages import language_choices, language_name
from portal.desk.shared_items import items_of_session, may_copy_into_kit
from portal.helpsessions.models import HelpSession
from portal.htmx import render_page
from portal.kits import actions
from portal.text import uuid_or_none

FIELDS = ("name", "description", "branch", "topic", "language", "version", "client_token")


@staff_only
@require_http_methods(["GET", "HEAD", "POST"])
def add_kit(request):
    """Show the form of a new kit. On POST, make the kit."""
    if request.method == "POST":
        return _answer(request, None)
    return _form_page(request, None, _new_form(request), ItemPicker())


@staff_only
@require_http_methods(["GET", "HEAD", "POST"])
def change_kit(request, public_id):
    """Show the form of a kit. On POST, save the kit.

    `language` in the URL is the language of the texts in the form.
    """
    kit = _editable_or_404(request, public_id)
    if request.method == "POST":
        return _answer(request, kit)
    language = _language(request, kit)
    return _form_page(
        request, kit, _form_of(request, kit, language), ItemPicker(fields_of(_rows_of(kit, language)))
    )


@staff_only
@require_safe
def kit_from_session(request, public_id):
    """Show the form of a kit with the items of a visit. No word of the visit is copied.

    `to` in the URL is the public id of the kit that gets the items, or "new". If `to` is missing, ask which
    kit. If there is no kit that the person can edit, show the form of a new kit. The kit doesn't store which
    visit its items come from. Nothing is saved until staff send the form.
    """
    sessions = HelpSession.objects.at_desk_of(request.user, shown_today.ids(request))
    help_session = get_object_or_404(
        sessions.recorded().select_related("branch", "topic", "patron", "shared_with"), public_id=public_id
    )
    if not may_copy_into_kit(help_session):
        messages.warning(
            request,
            _(
                "The items of a quiet visit, a visit with a child or a visit about a sensitive topic can't "
                "be put into a kit."
            ),
        )
        return redirect("desk_session", public_id)
    kits = shown_kits(request.user)
    editable = set(editable_kits(request.user).values_list("pk", flat=True))
    kits = [row for row in kits if row.kit.pk in editable]
    to = request.GET.get("to", "" if kits else "new")
    log_sessions_read(request, [help_session], at=timezone.now())
    if not to:
        context = {"kits": kits, "help_session": help_session}
        return render_page(request, "desk/kits/which.html", context)
    visit = reverse("desk_session", args=[public_id])
    copied = [SimpleNamespace(item=item, reason="", starred=True) for item in items_of_session(help_session)]
    if to == "new":
        return _form_page(request, None, _new_form(request), ItemPicker(fields_of(copied)), back=visit)
    kit = _editable_or_404(request, uuid_or_none(to))
    language = _language(request, kit)
    rows = _rows_of(kit, language)
    present = {row.item.pk for row in rows}
    rows += [row for row in copied if row.item.pk not in present]
    return _form_page(request, kit, _form_of(request, kit, language), ItemPicker(fields_of(rows)), back=visit)


def _answer(request, kit):
    """Save the form, or change its items, depending on the pressed button.

    After the button save-in-<language>, show the form of the kit in this language.
    """
    picker, action = ItemPicker(request.POST, by=request.user), request.POST.get("action", "save")
    next_language = action.removeprefix("save-in-") if action.startswith("save-in-") else ""
    if action != "save" and not next_language:
        return _change_items(request, kit, picker, action)
    are_items_valid = picker.check()
    form = KitForm(request.POST, user=request.user, kit=kit)
    if form.is_valid() and are_items_valid and (saved := _save(request, kit, form, picker)):
        words = _("The kit is saved.") if kit else _("The kit is ready. Staff can add its items to a visit.")
        messages.success(request, words)
        if next_language:
            url = reverse("change_kit", args=[saved.public_id])
            return redirect(f"{url}?{urlencode({'language': next_language})}")
        return redirect(saved)
    return _form_page(request, kit, form, picker, status=422)


def _save(request, kit, form, picker):
    """Save the kit, and return it. If that is impossible, add an error to the form, and return None."""
    fields = {
        **form.cleaned_data,
        "items": picker.chosen(by=request.user),
        "by": request.user,
        "at": timezone.now(),
    }
    version, token = fields.pop("version"), fields.pop("client_token")
    try:
        if kit is None:
            return actions.make_kit(client_token=token, **fields)
        return actions.change_kit(kit, version=version or 0, **fields)
    except actions.TooManyKits:
        form.add_error(None, too_many_kits())
    except actions.ChangedMeanwhile:
        kit.refresh_from_db()
        # If staff save again, their version replaces the colleague's.
        form.data = form.data.copy()
        form.data["version"] = str(kit.version)
        form.add_error(
            None,
            _(
                "A colleague has changed this kit in the meantime. Open the kit in another tab to see the "
                "change. If you save again, your version replaces it."
            ),
        )
    return None


def _change_items(request, kit, picker, action):
    picker.change(action, by=request.user)
    if request.htmx:
        return render(
            request, "desk/items.html", items_context(picker, branch_for(request), request.path_info)
        )
    typed = {name: request.POST.get(name, "") for name in FIELDS}
    form = KitForm(initial=typed, user=request.user, kit=kit)
    return _form_page(request, kit, form, picker, status=422 if picker.written.errors else 200)


def _new_form(request):
    branch = branch_for(request)
    initial = {
        "language": get_language(),
        "branch": branch and branch.pk,
        "client_token": uuid.uuid4(),
    }
    return KitForm(initial=initial, user=request.user)


def _form_of(request, kit, language):
    words = next((row for row in kit.words.all() if row.language == language), None)
    initial = {
        "name": words.name if words else "",
        "description": words.description if words else "",
        "branch": kit.branch_id,
        "topic": kit.topic_id,
        "language": language,
        "version": kit.version,
    }
    return KitForm(initial=initial, user=request.user, kit=kit)


def _form_page(request, kit, form, picker, *, status=200, back=None):
    language = form["language"].value()
    context = {
        "kit": kit,
        "form": form,
        "picker": picker,
        "items_url": reverse("change_kit", args=[kit.public_id]) if kit else reverse("add_kit"),
        "back": back or (kit.get_absolute_url() if kit else reverse("desk_kits")),
        "language": language_name(language),
        "others": [(code, language_name(code)) for code in _languages(kit) if code != language],
        **search_context(picker, branch_for(request)),
    }
    return render(request, "desk/kits/form.html", context, status=status)


def _language(request, kit):
    """Return the language in which the form shows the name, the description and the reasons.

    Use the language in the URL. If the URL has none, use the language of the page, if the kit has a name in
    it. Otherwise, use any language in which the kit has a name.
    """
    asked = request.GET.get("language", "")
    if asked in dict(language_choices()):
        return asked
    codes = kit.languages
    return get_language() if get_language() in codes else next(iter(codes), request.library.language)


def _languages(kit):
    """Return the languages in which the kit has a name, and the languages of the portal."""
    if kit is None:
        return []
    return list(dict.fromkeys([*kit.languages, *(code for code, _name in settings.LANGUAGES)]))


def _rows_of(kit, language):
    """Return the items of the kit as objects for `fields_of`, with their reasons in this language."""
    return [
        SimpleNamespace(item=row.item, reason=row.reason_in(language), starred=row.starred)
        for row in items_of(kit)
    ]


def _editable_or_404(request, public_id):
    rows = editable_kits(request.user).with_words()
    return get_object_or_404(rows, public_id=public_id)
