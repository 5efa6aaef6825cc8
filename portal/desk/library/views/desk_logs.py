"""The pages where a coordinator imports a desk log of another system as counts, and undoes an import."""

from urllib.parse import urlencode

from django.contrib import messages
from django.http import FileResponse, Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.models import AuditEvent
from accounts.sign_in.access import coordinator_only
from portal.counts.models import LogImport
from portal.desk.figures.periods import Period
from portal.desk.library.forms.desk_logs import ColumnsForm, ValuesForm
from portal.desk.library.log_preview import preview_page
from portal.desk.library.log_to_map import come_back, leave
from portal.desk.params import number_or_none
from portal.htmx import render_page
from portal.imports.desk_logs import undoing, uploads, work
from portal.imports.desk_logs.mapping import make_plan
from portal.imports.desk_logs.notes import read_notes
from portal.imports.desk_logs.saved import load_mapping
from portal.imports.desk_logs.writing import IMPORTED
from portal.imports.models import LogUpload, SavedMapping
from portal.paging import page_of
from portal.text import clean, grouped
from portal.uploads import MAX_BYTES_BY_FIELD, uploaded

FIELD = "desk_log"


@coordinator_only
@require_http_methods(["GET", "HEAD", "POST"])
def desk_logs(request):
    """List the imports of desk logs. A POST uploads a log."""
    problem = ""
    if request.method == "POST":
        upload, problem = _upload(request)
        if upload:
            return redirect("log_upload", upload.public_id)
    imports, after = page_of(LogImport.objects.all(), "started_at", request.GET.get("after"))
    _add_people(imports)
    own = LogUpload.objects.at_desk_of(request.user).order_by("-uploaded_at")
    context = {
        "imports": imports,
        "after": after,
        "uploads": own.filter(ended_at=None),
        "with_failed": own.exclude(failed=""),
        "problem": problem,
        "megabytes": MAX_BYTES_BY_FIELD[FIELD] // 1024 // 1024,
    }
    status = 422 if problem else 200
    return render(request, "desk/library/desk_logs.html", context, status=status)


def _add_people(imports):
    """Set `person` on each import: the coordinator who imported the log at the desk, or None."""
    subjects = [str(each.public_id) for each in imports]
    events = AuditEvent.objects.filter(subject_type="logimport", subject__in=subjects, action=IMPORTED)
    people = {event.subject: event.by for event in events.select_related("by")}
    for each in imports:
        each.person = people.get(str(each.public_id))


def _upload(request):
    """Store the posted file of a desk log. Return (LogUpload, ""), or (None, error text)."""
    [(name, file, reason), *_more] = uploaded(request, FIELD) or [("", None, "missing")]
    if reason == "missing":
        return None, _("Choose the file of the desk log.")
    if reason == "too_large":
        return None, _("The file is too large. Export and import one year at a time.")
    if file is None:
        return None, _("The file could not be stored. Try again later.")
    name = clean(name, max_length=120) or _("Desk log")
    try:
        upload = uploads.add_upload(
            file, name=name, language=get_language(), by=request.user, at=timezone.now()
        )
    except uploads.TooMany:
        return None, _("Import or delete the files that you uploaded before. Then upload this file again.")
    work.do_now(upload)
    return upload, ""


@coordinator_only
@require_safe
def log_upload(request, public_id):
    """Show the upload's progress, the preview of the import, or the result of the import.

    An open page polls with the parameter `since`. The response is 204 if nothing has changed.
    """
    upload = _own(request, public_id)
    state = f"{upload.task}-{upload.done}-{bool(upload.leased_until)}"
    if request.htmx and request.GET.get("since") == state:
        return HttpResponse(status=204)
    context = {"upload": upload, "state": state}
    if not (upload.task or upload.problem or upload.ended_at):
        if upload.checked_at is None:
            if request.htmx:
                return HttpResponse(status=204, headers={"HX-Refresh": "true"})
            return redirect("log_columns", public_id)
        context |= preview_page(_notes(upload))
    if upload.log_import:
        context["figures"] = _query_of_figures(upload.log_import)
    return render_page(request, "desk/library/log_upload.html", context, partial="state")


def _query_of_figures(log_import):
    """Return the query string for a figures page that shows every month in which the import has contacts."""
    first, last = Period.of_month(log_import.first_day).first, Period.of_month(log_import.last_day).last
    return urlencode({"first_day": first, "last_day": last})


@coordinator_only
@require_http_methods(["GET", "HEAD", "POST"])
def log_columns(request, public_id):
    """Ask what each column of the log means. A saved mapping answers as many of the questions as it can."""
    upload = _open(request, public_id)
    if upload is None:
        return redirect("log_upload", public_id)
    notes = _notes(upload)
    if request.method == "POST" and (pk := number_or_none(request.POST.get("saved"))):
        return _use_saved(request, upload, notes, get_object_or_404(SavedMapping, pk=pk))
    form = ColumnsForm(
        request.POST if request.method == "POST" else None, overview=notes.overview, mapping=notes.mapping
    )
    if form.is_valid():
        mapping = form.changed_mapping(notes.mapping)
        by = {"by": request.user, "at": timezone.now()}
        if _saved(
            lambda: uploads.save_columns(upload, mapping, mapping_name=notes.mapping_name, notes=notes, **by)
        ):
            return redirect("log_values", public_id)
        return redirect("log_upload", public_id)
    context = {
        "upload": upload,
        "form": form,
        "saved": SavedMapping.objects.order_by("name"),
        "mapping_name": notes.mapping_name,
        "answers_of": notes.answers_of,
        "layout": notes.overview.layout,
        "private_has_errors": any(field.errors for field in form.private),
    }
    status = 422 if form.is_bound else 200
    return render(request, "desk/library/log_columns.html", context, status=status)


def _use_saved(request, upload, notes, row):
    mapping = load_mapping(row.name).fitted(notes.overview)
    by = {"by": request.user, "at": timezone.now()}
    _plan, questions = make_plan(notes.overview, mapping)
    if questions:
        _saved(lambda: uploads.save_columns(upload, mapping, mapping_name=row.name, notes=notes, **by))
        return redirect("log_columns", upload.public_id)
    notes.mapping_name = row.name
    if _saved(lambda: uploads.save_values(upload, mapping, notes=notes, **by)):
        work.do_now(LogUpload.objects.get(pk=upload.pk))
    return redirect("log_upload", upload.public_id)


@coordinator_only
@require_http_methods(["GET", "HEAD", "POST"])
def log_values(request, public_id):
    """Ask what the values of the log mean here. On POST, save the answers and prepare the preview.

    If the POST has a field `leave`, it names a list of the library. Then save only the answers so far, and
    redirect to the page of this list.
    """
    upload = _open(request, public_id)
    if upload is None:
        return redirect("log_upload", public_id)
    notes = _notes(upload)
    form = ValuesForm(
        request.POST if request.method == "POST" else None,
        overview=notes.overview,
        mapping=notes.mapping,
        save_as=notes.mapping_name,
    )
    if "leave" in request.POST:
        return _leave_values(request, upload, notes, form)
    come_back(request)
    if form.is_valid():
        save_as = form.cleaned_data["save_as"]
        by = {"by": request.user, "at": timezone.now()}
        if _saved(
            lambda: uploads.save_values(
                upload, form.changed, save_as=save_as, order=form.order, notes=notes, **by
            )
        ):
            work.do_now(LogUpload.objects.get(pk=upload.pk))
        return redirect("log_upload", public_id)
    context = {"upload": upload, "form": form}
    return render(request, "desk/library/log_values.html", context, status=422 if form.is_bound else 200)


def _leave_values(request, upload, notes, form):
    if request.POST["leave"] == "service_points":
        branch = get_object_or_404(form.branches, slug=request.POST.get("points_of"))
        page = redirect("service_points", branch.slug)
    else:
        page = redirect("patron_groups")
    answered = form.answers_so_far()
    name = form.cleaned_data.get("save_as", "")
    by = {"by": request.user, "at": timezone.now()}
    if not _saved(lambda: uploads.save_columns(upload, answered, mapping_name=name, notes=notes, **by)):
        return redirect("log_upload", upload.public_id)
    leave(request, upload)
    return page


@coordinator_only
@require_POST
def import_log(request, public_id):
    """Begin the import that the preview showed."""
    upload = _own(request, public_id)
    if _saved(lambda: uploads.begin(upload, by=request.user, at=timezone.now())):
        work.do_now(LogUpload.objects.get(pk=upload.pk))
    return redirect("log_upload", public_id)


@coordinator_only
@require_POST
def delete_log(request, public_id):
    """Delete the upload and its files."""
    upload = _own(request, public_id)
    if not _saved(lambda: uploads.delete_upload(upload, by=request.user, at=timezone.now())):
        return redirect("log_upload", public_id)
    messages.success(request, _("%(name)s deleted from the portal.") % {"name": upload.name})
    return redirect("desk_logs")


@coordinator_only
@require_safe
def failed_rows(request, public_id):
    """Send the file of the rows that failed, with the reasons."""
    upload = _own(request, public_id)
    if not upload.failed:
        raise Http404
    try:
        file = upload.failed.open("rb")
    except FileNotFoundError:
        raise Http404 from None
    response = FileResponse(file, as_attachment=True, filename=_("failed rows.csv"), content_type="text/csv")
    response.headers["Cache-Control"] = "private, no-store"
    return response


@coordinator_only
@require_http_methods(["GET", "HEAD", "POST"])
def undo_log_import(request, public_id):
    """Show a confirmation page on GET. Undo the import as a whole on POST."""
    log_import = get_object_or_404(LogImport, public_id=public_id)
    if request.method == "POST":
        try:
            log_import = uploads.ask_to_undo(log_import, by=request.user, at=timezone.now())
        except LogImport.DoesNotExist:
            raise Http404 from None
        except uploads.StillRunning:
            messages.error(request, _("The import isn't complete yet. Undo it after it is complete."))
            return redirect("desk_logs")
        except undoing.ReplacedLater:
            return redirect("undo_log_import", public_id)
        if log_import.added <= work.SMALL_ROWS and work.undo_now(log_import):
            messages.success(request, _undone(log_import))
        else:
            messages.info(request, _("The import will be undone in a few minutes."))
        return redirect("desk_logs")
    later = undoing.later_imports(log_import)
    return render(request, "desk/library/undo_log_import.html", {"log_import": log_import, "later": later})


def _undone(log_import):
    return ngettext(
        "Undone. %(count)s contact was removed.",
        "Undone. %(count)s contacts were removed.",
        log_import.added,
    ) % {"count": grouped(log_import.added)}


def _own(request, public_id):
    return get_object_or_404(LogUpload.objects.at_desk_of(request.user), public_id=public_id)


def _open(request, public_id):
    """Return the person's upload, or None if its mapping can't be changed now.

    Raise Http404 if the person has no upload with this id.
    """
    upload = _own(request, public_id)
    return None if upload.task or upload.problem or upload.ended_at else upload


def _notes(upload):
    try:
        return read_notes(upload)
    except FileNotFoundError:
        raise Http404 from None


def _saved(action):
    """Call `action`, which changes an upload, and return True.

    Return False if another tab has already changed the upload. Raise Http404 if the upload was deleted.
    """
    try:
        action()
    except uploads.Busy:
        return False
    except LogUpload.DoesNotExist:
        raise Http404 from None
    return True
