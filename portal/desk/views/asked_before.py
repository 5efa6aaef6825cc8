"""What helped before: a part of the record form, and a page of its own."""

from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from accounts.sign_in.access import staff_only
from portal.desk.asked_before import asked_before
from portal.desk.forms.kits import AskedBeforeForm
from portal.htmx import render_page
from portal.text import clean, uuid_or_none
from recommendations.models import QuestionType


@staff_only
@require_safe
def what_helped_before(request):
    """Show what helped before with a topic and question type. This page also works without JavaScript."""
    initial = {"question_type": request.GET.get("question_type", QuestionType.REFERENCE)}
    form = AskedBeforeForm(request.GET if "topic" in request.GET else None, initial=initial)
    context = {"form": form, "asked": None, "back": uuid_or_none(request.GET.get("form", ""))}
    if form.is_bound and form.is_valid():
        context["asked"] = asked_before(request.user, **form.cleaned_data, today=timezone.localdate())
    return render_page(request, "desk/what_helped.html", context)


@staff_only
@require_POST
def asked_before_part(request):
    """Return the part of the record form that shows what helped before.

    The words of the question are only searched, and not stored.
    """
    form = AskedBeforeForm(request.POST)
    form.is_valid()
    asked = asked_before(
        request.user,
        topic=form.cleaned_data.get("topic"),
        question_type=form.cleaned_data.get("question_type") or "reference",
        question=clean(request.POST.get("question", ""), max_length=4000),
        today=timezone.localdate(),
    )
    context = {"asked": asked, "items_url": reverse("record"), "adds": True}
    return render(request, "desk/asked_before.html", context)
