"""Draw a figure as SVG, and say in one sentence what it shows.

A chart has no colors of its own: `desk.css` gives them. The earlier period is drawn as an outline, so nobody
needs to see colors to tell the two periods apart.
"""

from dataclasses import dataclass

from django.utils.safestring import mark_safe
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from portal.counts.answers import BANDS
from portal.text import grouped

from . import labels
from .by_staff import STAFF
from .workload import ANSWERS, OTHER

# A chart with more than MOST_BARS days, months or hours has columns, and only the first and the last column
# have a label. Every other chart has bars, each with its label.
IN_ORDER, MOST_BARS = {"time", "hour", "hour_weekday"}, 7
# The width of one column and of its bar, in units of the drawing.
COLUMN, BAR = 10, 7


@dataclass(frozen=True)
class Bar:
    label: str
    number: int
    svg: str


@dataclass(frozen=True)
class Columns:
    """A drawing of columns, with the labels of the first and the last one, and the largest number."""

    svg: str
    first: str
    last: str
    most: int


def chart_of(figure):
    """Return Columns, or a list of Bar, or None if there is nothing to draw.

    Figures by staff member are not drawn, because a chart would rank people.
    """
    if figure.by == STAFF:
        return None
    rows = [row for row in figure.rows if row.contacts is not None or row.contacts_before is not None]
    most = max((max(row.contacts or 0, row.contacts_before or 0) for row in rows), default=0)
    if not most:
        return None
    if figure.by in IN_ORDER and len(rows) > MOST_BARS:
        return Columns(_columns(rows, most), rows[0].label, rows[-1].label, most)
    return [Bar(row.label, row.contacts, _bar(row, most, figure.earlier)) for row in rows]


def bars_of(numbers):
    """Return a list of Bar for [(label, number)], or None if all numbers are 0."""
    most = max((number for _label, number in numbers), default=0)
    if not most:
        return None
    return [Bar(label, number, _single_bar(number, most)) for label, number in numbers]


def sentence_of(figure):
    """Return sentences about a figure: its contacts, the earlier contacts, and the row with most contacts.

    If several rows have the most, or if the rows are people, no row is named. For first answers, say how many
    were given in the promised time, and the median and the 90th percentile of the waits.
    """
    if figure.by == ANSWERS:
        return _sentence_of_answers(figure)
    total, before = figure.total.contacts, figure.total.contacts_before
    values = {"period": capfirst(labels.of_period(figure.period)), "contacts": grouped(total)}
    first = (
        ngettext("%(period)s: %(contacts)s contact.", "%(period)s: %(contacts)s contacts.", total) % values
    )
    if figure.earlier is not None:
        values = {"earlier": capfirst(labels.of_period(figure.earlier)), "before": grouped(before)}
        first = f"{first} {_('%(earlier)s: %(before)s.') % values}"
    if figure.by == STAFF:
        return first
    named = [row for row in figure.rows if row.key != OTHER and row.contacts]
    if len(named) < 2:
        return first
    most = max(row.contacts for row in named)
    largest = [row for row in named if row.contacts == most]
    if len(largest) > 1:
        return first
    values = {"label": largest[0].label, "number": grouped(most)}
    return f"{first} {_('“%(label)s” has the most: %(number)s.') % values}"


def _sentence_of_answers(figure):
    answers, in_time = figure.total.numbers
    if not answers:
        return _("%(period)s: no new conversations in the portal were answered.") % {
            "period": capfirst(labels.of_period(figure.period))
        }
    values = {
        "period": capfirst(labels.of_period(figure.period)),
        "answers": grouped(answers),
        "in_time": grouped(in_time),
    }
    first = (
        ngettext(
            "%(period)s: %(answers)s new conversation in the portal was answered, %(in_time)s in the "
            "promised time.",
            "%(period)s: %(answers)s new conversations in the portal were answered, %(in_time)s of them in "
            "the promised time.",
            answers,
        )
        % values
    )
    return f"{first} {_sentence_of_waits(figure)}"


def _sentence_of_waits(figure):
    longest = {"time": labels.of_time(BANDS[-1])}
    median, most = _of_share(figure, 50), _of_share(figure, 90)
    if median is None:
        return _("More than half of the patrons waited longer than %(time)s of opening hours.") % longest
    values = {"median": labels.of_time(median)}
    if most is None:
        values |= longest
        return (
            _(
                "In opening hours, half of the patrons waited up to %(median)s, and more than 10%% waited "
                "longer than %(time)s."
            )
            % values
        )
    values["most"] = labels.of_time(most)
    return (
        _("In opening hours, half of the patrons waited up to %(median)s, and 90%% waited up to %(most)s.")
        % values
    )


def _of_share(figure, percent):
    """Return the number of minutes within which at least `percent` percent of the answers were given.

    The number is the upper limit of a band. Return None for the last band, because it has no upper limit.
    """
    reached = 0
    for row in figure.rows:
        reached += row.contacts
        if reached * 100 >= figure.total.contacts * percent:
            return row.key
    return None


def _columns(rows, most):
    parts = []
    for place, row in enumerate(rows):
        left = place * COLUMN + (COLUMN - BAR) // 2
        if row.contacts_before:
            parts.append(_upright("before", left - 1, BAR + 2, _share(row.contacts_before, most)))
        if row.contacts:
            parts.append(_upright("now", left, BAR, _share(row.contacts, most)))
    return _svg(f"0 0 {len(rows) * COLUMN} 100", "".join(parts))


def _upright(name, left, width, height):
    return f'<rect class="{name}" x="{left}" y="{100 - height}" width="{width}" height="{height}"/>'


def _single_bar(number, most):
    width = _share(number, most) if number else 0
    return _svg("0 0 100 10", f'<rect class="now" x="0" y="0" width="{width}" height="10"/>')


def _bar(row, most, earlier):
    parts = []
    if row.contacts:
        parts.append(f'<rect class="now" x="0" y="0" width="{_share(row.contacts, most)}" height="10"/>')
    if earlier and row.contacts_before:
        parts.append(
            f'<rect class="before" x="0" y="12" width="{_share(row.contacts_before, most)}" height="6"/>'
        )
    return _svg(f"0 0 100 {18 if earlier else 10}", "".join(parts))


def _share(number, most):
    """Return the number as a percentage of `most`. The result is at least 1, so that each bar is visible."""
    return max(1, round(100 * number / most))


def _svg(box, parts):
    return mark_safe(
        f'<svg viewBox="{box}" preserveAspectRatio="none" aria-hidden="true" focusable="false">{parts}</svg>'
    )
