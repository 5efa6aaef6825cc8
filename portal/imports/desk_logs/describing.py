"""Say what an import would do with each column, and what a person should check before the import."""

from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from accounts.models import Branch
from portal.folding import fold
from portal.helpsessions.models import HelpSession
from portal.text import grouped
from recommendations.models import QuestionType

from .dates import NotRead, read_duration
from .values import LEFT_OUT, is_choice

# How many bands of minutes a sentence gives as examples.
BANDS_SHOWN = 4
LABELS = {
    "day": gettext_lazy("the date"),
    "other_day": gettext_lazy("the date, if the cell isn't empty"),
    "time": gettext_lazy("the hour"),
    "place": gettext_lazy("the branch and service point"),
    "mode": gettext_lazy("the mode"),
    "question_type": gettext_lazy("the question type"),
    "read_level": gettext_lazy("the READ level"),
    "duration": gettext_lazy("the minutes"),
    "people": gettext_lazy("the number of people"),
    "patron_group": gettext_lazy("the patron group"),
    "topic": gettext_lazy("the topic"),
    "number": gettext_lazy("used to recognize the row, and not stored"),
}


@dataclass(frozen=True)
class Fate:
    """What happens to a column: what it becomes (`label`), or why it is left out (`reason`).

    `filled` is how many of the `rows` have a value in the column. If the column is a choice list, three more
    fields count its different values: `values` counts the mapped values, `unknown` counts the values that are
    not mapped, and `skipped` counts the values whose rows are left out.
    """

    name: str
    filled: int
    rows: int
    label: str = ""
    reason: str = ""
    values: int | None = None
    unknown: int | None = None
    skipped: int | None = None

    @property
    def words(self):
        """Return what happens to the column, as words that follow its name."""
        if self.reason:
            return _("left out, because %(reason)s") % {"reason": self.reason}
        counted = _("%(label)s (%(filled)s of %(rows)s rows)") % {
            "label": self.label,
            "filled": grouped(self.filled),
            "rows": grouped(self.rows),
        }
        return ", ".join(filter(None, (counted, *self._of_values())))

    def _of_values(self):
        if self.values is not None:
            yield ngettext("%(count)s different value", "%(count)s different values", self.values) % {
                "count": grouped(self.values)
            }
        if self.unknown:
            yield ngettext(
                "%(count)s value isn't counted in this field",
                "%(count)s values aren't counted in this field",
                self.unknown,
            ) % {"count": grouped(self.unknown)}
        if self.skipped:
            yield ngettext("%(count)s left out", "%(count)s left out", self.skipped) % {
                "count": grouped(self.skipped)
            }

    def __str__(self):
        return f"{self.name}: {self.words}"


def columns_of(overview, plan):
    """Return the Fate of each column."""
    fates = []
    fields = {position: name for name, positions in plan.positions.items() for position in positions}
    reasons = dict(plan.left_out)
    for column in overview.columns:
        common = {"name": column.name, "filled": column.filled, "rows": overview.contacts}
        name = fields.get(column.position, "")
        label = str(LABELS.get(name) or plan.own_fields.get(name, ""))
        if is_choice(name) and not column.filled:
            fates.append(Fate(**common, reason=_("it is empty")))
        elif is_choice(name) and not any(plan.values[name].values()):
            fates.append(Fate(**common, reason=_("none of its values is a choice in your library")))
        elif is_choice(name):
            mapped = {fold(value): ours for value, ours in plan.values[name].items()}
            known = [ours for ours in mapped.values() if ours]
            unknown = len({fold(value) for value in column.values}) - len(known)
            skipped = known.count(LEFT_OUT)
            fates.append(Fate(**common, label=label, values=len(known), unknown=unknown, skipped=skipped))
        elif name:
            fates.append(Fate(**common, label=label))
        elif column.name in reasons:
            fates.append(Fate(**common, reason=str(reasons[column.name])))
    return fates


def warnings_of(result, days, plan):
    """Return what a person should know before the import, as sentences."""
    warnings = [*_of_empty_fields(result, plan), *_of_repeats(result)]
    if result.known and not result.added:
        warnings.append(
            _("All these rows are already imported. To change how they count, undo their import first.")
        )
    if result.added and result.with_number * 2 >= result.added:
        warnings.append(
            _(
                "This file looks like an export of chats or tickets. If your desk log also counts these, "
                "they would count twice."
            )
        )
    recorded = sum(1 for _day, recorded, _imported in days if recorded)
    imported = sum(1 for _day, _recorded, imported in days if imported)
    if recorded:
        warnings.append(
            ngettext(
                "Staff already recorded contacts here on %(count)s of these days, so some contacts may "
                "count twice.",
                "Staff already recorded contacts here on %(count)s of these days, so some contacts may "
                "count twice.",
                recorded,
            )
            % {"count": grouped(recorded)}
        )
    if imported:
        warnings.append(
            ngettext(
                "Earlier imports already added contacts on %(count)s of these days.",
                "Earlier imports already added contacts on %(count)s of these days.",
                imported,
            )
            % {"count": grouped(imported)}
        )
    if result.estimated:
        estimated = ngettext(
            "%(count)s row has only a band of minutes, so the sum of the minutes is an estimate.",
            "%(count)s rows have only a band of minutes, so the sum of the minutes is an estimate.",
            result.estimated,
        ) % {"count": grouped(result.estimated)}
        warnings.append(" ".join([estimated, *how_bands_count(result.bands)]))
    if result.without_time:
        warnings.append(
            ngettext(
                "%(count)s row has no time, so it counts without an hour.",
                "%(count)s rows have no time, so they count without an hour.",
                result.without_time,
            )
            % {"count": grouped(result.without_time)}
        )
    return warnings


def bands_of(column):
    """Return {band: minutes} for the bands among the values of a column with durations."""
    found = {}
    for value in column.values:
        try:
            duration = read_duration(value)
        except NotRead:
            continue
        if duration.band:
            found[duration.band] = duration.minutes
    return found


def how_bands_count(bands):
    """Return sentences that say how many minutes the bands count as. `bands` is {band: minutes}."""
    closed = {band: minutes for band, minutes in bands.items() if band[1] is not None}
    opened = {band: minutes for band, minutes in bands.items() if band[1] is None}
    sentences = []
    if closed:
        examples = _examples(closed)
        sentences.append(_("A band of minutes counts as its middle: %(examples)s.") % {"examples": examples})
    if opened:
        examples = _examples(opened)
        sentences.append(
            _("A band without an end counts as its start: %(examples)s.") % {"examples": examples}
        )
    return sentences


def _examples(bands):
    shown = []
    for low, high in sorted(bands, key=lambda band: (band[0], band[1] or 0))[:BANDS_SHOWN]:
        band = f"{low}+" if high is None else f"{low}–{high}"
        shown.append(_("%(band)s as %(minutes)d") % {"band": band, "minutes": bands[low, high]})
    return ", ".join(shown)


def _of_repeats(result):
    """Say that a row counts as a contact even if it equals an earlier row of the file."""
    if count := result.equal:
        yield ngettext(
            "%(count)s row is equal to an earlier row of the file in everything that is counted. "
            "It counts as a contact of its own.",
            "%(count)s rows are equal to an earlier row of the file in everything that is counted. "
            "Each counts as a contact of its own.",
            count,
        ) % {"count": grouped(count)}
    if count := result.same_number:
        yield ngettext(
            "%(count)s row has the same ticket or chat number as an earlier row of the file. "
            "It counts as a contact of its own.",
            "%(count)s rows have the same ticket or chat number as an earlier row of the file. "
            "Each counts as a contact of its own.",
            count,
        ) % {"count": grouped(count)}


def _of_empty_fields(result, plan):
    """Yield sentences that say how many rows lack a needed value, and which default value they get."""
    if count := result.empty["question_type"]:
        usual = QuestionType(plan.question_type).label
        yield ngettext(
            "%(count)s row has no question type, so it counts as: %(usual)s.",
            "%(count)s rows have no question type, so they count as: %(usual)s.",
            count,
        ) % {"count": grouped(count), "usual": usual}
    if count := result.empty["mode"]:
        yield ngettext(
            "%(count)s row doesn't say how staff helped, so it counts as: %(usual)s.",
            "%(count)s rows don't say how staff helped, so they count as: %(usual)s.",
            count,
        ) % {"count": grouped(count), "usual": HelpSession.Mode(plan.mode).label}
    if (count := result.empty["place"]) and Branch.objects.count() > 1:
        yield ngettext(
            "%(count)s row names no branch, so it counts at this branch: %(usual)s.",
            "%(count)s rows name no branch, so they count at this branch: %(usual)s.",
            count,
        ) % {"count": grouped(count), "usual": Branch.objects.get(pk=plan.branch)}
