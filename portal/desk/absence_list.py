"""The list of days when staff are away."""

from django.utils.translation import pgettext

from accounts.models import Absence
from portal.templatetags.portal import day_in_a_sentence

MAX_PAST = 10


def absences_context(request):
    """Return the context of desk/absences.html.

    The context lists all absences that have not ended, and the latest absences that have ended.
    """
    today = request.library.today()
    coming = list(Absence.objects.filter(last_day__gte=today).select_related("person", "cover"))
    for absence in coming:
        absence.mine, absence.is_now = absence.person_id == request.user.pk, absence.first_day <= today
        absence.may_change = absence.mine or request.user.is_coordinator
        absence.covers_away = [other for other in coming if _is_absence_of_cover(other, absence)]
    past = Absence.objects.at_desk_of(request.user).filter(last_day__lt=today)
    past = past.select_related("person", "cover").order_by("-last_day", "-pk")
    return {
        "coming": coming,
        "past": past[:MAX_PAST],
        "now": next((absence for absence in coming if absence.mine and absence.is_now), None),
    }


def _is_absence_of_cover(other, absence):
    """Return whether `other` is an absence of the covering colleague on some of the days of `absence`."""
    overlaps = other.first_day <= absence.last_day and other.last_day >= absence.first_day
    return other.person_id == absence.cover_id and overlaps


def days_in_words(absence):
    """Return the days of an absence as a part of a sentence, such as "from May 3 to May 5"."""
    first, last = day_in_a_sentence(absence.first_day), day_in_a_sentence(absence.last_day)
    if absence.first_day == absence.last_day:
        return pgettext("a day away", "on %(day)s") % {"day": first}
    return pgettext("days away", "from %(first)s to %(last)s") % {"first": first, "last": last}
