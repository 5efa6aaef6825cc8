"""The pages where coordinators change how contacts count for surveys, and mark the sampled weeks."""

import datetime
from urllib.parse import urlencode

from django.contrib import messages
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from accounts.reporting_year import ReportingYear
from accounts.sign_in.access import coordinator_only
from portal.desk.library.forms.counting import RuleSetForm, SampledWeekForm
from portal.desk.params import number_or_none
from portal.surveys import actions
from portal.surveys.models import CountsAs, RuleSet, SampledWeek, Survey
from portal.surveys.presets import PRESETS
from portal.templatetags.portal import whole_day


@coordinator_only
@require_safe
def counting_rules(request):
    """List the surveys, each with its source and the days on which its rules start."""
    sets: dict = {survey: [] for survey in Survey}
    for rule_set in RuleSet.objects.order_by("-starts_on"):
        sets[rule_set.survey].append(rule_set)
    surveys = [(survey, PRESETS[survey], sets[survey]) for survey in Survey]
    return render(request, "desk/library/counting_rules.html", {"surveys": surveys})


@coordinator_only
@require_http_methods(["GET", "HEAD", "POST"])
def add_rule_set(request):
    """Add rules for the survey in the URL. The form begins with the newest rules, or with the preset."""
    survey = request.GET.get("survey", "")
    if survey not in Survey:
        return redirect("counting_rules")
    newest = RuleSet.objects.filter(survey=survey).order_by("-starts_on").first()
    today = request.library.today()
    if newest:
        starts_on = (today.replace(day=1) + datetime.timedelta(days=31)).replace(day=1)
        return _rule_set_page(request, survey, None, _shown_rules(newest) | {"starts_on": starts_on})
    year = ReportingYear.of(today, request.library.year_starts_in)
    preset = PRESETS[survey]
    shown = {
        "starts_on": year.first_day,
        "method": RuleSet.Method.COUNT,
        "weeks": preset.weeks,
        "multiplier": preset.multiplier,
        "counts_questions": False,
        "tallies": CountsAs.NEITHER,
        "counting": {(kind.value, ""): counts_as for kind, counts_as in preset.counts_as.items()},
        "of_kinds": {},
    }
    return _rule_set_page(request, survey, None, shown)


@coordinator_only
@require_http_methods(["GET", "HEAD", "POST"])
def rule_set(request, public_id):
    """Show and change the rules that start on a day."""
    found = get_object_or_404(RuleSet, public_id=public_id)
    return _rule_set_page(request, found.survey, found, _shown_rules(found))


@coordinator_only
@require_http_methods(["GET", "HEAD", "POST"])
def remove_rule_set(request, public_id):
    """Show a confirmation page on GET. Remove the rules on POST."""
    found = get_object_or_404(RuleSet, public_id=public_id)
    changes_past = False
    if request.method == "POST":
        try:
            may_change_past = "changes_past" in request.POST
            actions.remove_rule_set(
                found, may_change_past=may_change_past, by=request.user, at=timezone.now()
            )
        except actions.ChangesPastYears:
            changes_past = True
        else:
            messages.success(request, _("Rules removed."))
            return redirect("counting_rules")
    before = RuleSet.objects.filter(survey=found.survey, starts_on__lt=found.starts_on)
    context = {"rule_set": found, "changes_past": changes_past, "has_earlier": before.exists()}
    return render(request, "desk/library/remove_rule_set.html", context)


def _shown_rules(found):
    return {
        "starts_on": found.starts_on,
        "method": found.method,
        "weeks": found.weeks,
        "multiplier": found.multiplier,
        "counts_questions": found.counts_questions,
        "tallies": found.tallies_count_as,
        "counting": {(rule.question_type, rule.mode): rule.counts_as for rule in found.counting_rules.all()},
        "of_kinds": {rule.tally_kind_id: rule.counts_as for rule in found.tally_rules.all()},
    }


def _rule_set_page(request, survey, found, shown):
    """Show the form with these rules, or save it. `found` is None if the form adds rules."""
    counting, of_kinds = shown.pop("counting"), shown.pop("of_kinds")
    form = RuleSetForm(request.POST or None, counting=counting, of_kinds=of_kinds, initial=shown)
    if form.is_valid() and _save(form, survey, found, by=request.user):
        messages.success(request, _("Rules saved."))
        return redirect("counting_rules")
    context = {"form": form, "rule_set": found, "survey": Survey(survey), "preset": PRESETS[survey]}
    context["cancel"] = _page_before(request, survey)
    return render(request, "desk/library/counting_rule.html", context)


def _page_before(request, survey):
    """Return the address of the page that led here. Only links of the annual survey have a `year`."""
    if not (year := request.GET.get("year")):
        return reverse("counting_rules")
    return f"{reverse('annual_survey')}?{urlencode({'survey': survey, 'year': year})}"


def _save(form, survey, found, *, by):
    """Save the rules and return True, or add an error to the form."""
    try:
        actions.save_rule_set(found, survey=survey, **form.rules, by=by, at=timezone.now())
    except actions.DayTaken:
        form.add_error("starts_on", _("Other rules of this survey start on this day. Choose another day."))
    except actions.ChangesPastYears:
        form.warn()
    return not form.errors


@coordinator_only
@require_http_methods(["GET", "HEAD", "POST"])
def sampled_weeks(request):
    """List the sampled weeks. On POST, add a week to the list.

    If the request has the primary key of a `week`, remove this week from the list instead. If the change may
    alter an estimate of a year that has ended, the page warns first.
    """
    form, by, warned = SampledWeekForm(), {"by": request.user, "at": timezone.now()}, None
    if request.method == "POST":
        pk = number_or_none(request.POST.get("week"))
        week = SampledWeek.objects.filter(pk=pk).first() if pk else None
        form = SampledWeekForm(request.POST)
        if week:
            try:
                actions.unmark_week(week, may_change_past="changes_past" in request.POST, **by)
            except actions.ChangesPastYears:
                form, warned = SampledWeekForm(), week
            else:
                messages.success(request, _("The week is no longer sampled."))
                return redirect("sampled_weeks")
        elif form.is_valid() and _mark(form, **by):
            messages.success(request, _("Week marked."))
            return redirect("sampled_weeks")
    weeks = list(SampledWeek.objects.order_by("-starts_on"))
    for week in weeks:
        week.ends_on = week.starts_on + actions.SIX_DAYS
    context = {"form": form, "weeks": weeks, "warned": warned}
    return render(request, "desk/library/sampled_weeks.html", context)


def _mark(form, *, by, at):
    try:
        day = form.cleaned_data["starts_on"]
        actions.mark_week(day, may_change_past=form.was_warned, by=by, at=at)
    except actions.ChangesPastYears:
        form.warn()
    except actions.WeekOverlaps as error:
        form.add_error(
            "starts_on",
            _("This week overlaps with the sampled week that begins on %(day)s. Choose another day.")
            % {"day": whole_day(error.args[0])},
        )
    return not form.errors
