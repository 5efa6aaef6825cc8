"""The main numbers of a period, for the director's page and for the monthly email."""

from dataclasses import dataclass

from django.utils.translation import gettext as _


@dataclass(frozen=True)
class MainNumber:
    """One number of a period. `before` is the number of the earlier period.

    `estimated` and `estimated_before` are the parts of the minutes that are estimates.
    """

    label: str
    meaning: str
    number: int
    before: int
    estimated: int = 0
    estimated_before: int = 0

    @property
    def change(self):
        return self.number - self.before


def main_numbers(now, before):
    """Return the MainNumbers of two Figures, which must have the numbers of `workload.NUMBERS`.

    `before` is None if the period isn't compared with an earlier one. Then the earlier numbers are 0.
    """
    words = {
        "contacts": (_("Contacts"), _("Each time staff helped somebody, even for a moment.")),
        "minutes": (_("Minutes"), _("The time that staff recorded for these contacts.")),
        "handed_over": (
            _("Visits given to the patron"),
            _("The patron can later read what was said and recommended."),
        ),
        "check_ins": (_("Check-ins sent"), _("The library asked how a visit turned out.")),
    }
    earlier_numbers = before.total.numbers if before else (0,) * len(now.names)
    numbers = zip(now.names, now.total.numbers, earlier_numbers, strict=True)
    return [
        MainNumber(
            *words[name],
            number,
            earlier,
            *((now.total.estimated, before.total.estimated if before else 0) if name == "minutes" else ()),
        )
        for name, number, earlier in numbers
    ]
