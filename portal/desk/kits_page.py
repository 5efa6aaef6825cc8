"""What the pages of kits show."""

from dataclasses import dataclass

from django.utils import timezone

from portal.kits.models import Kit, KitItem
from recommendations.holdings import fetch_holdings
from recommendations.recorded import add_recorded

from .kit_rows import counts_of, items_of
from .languages import language_name


@dataclass(frozen=True)
class ShownKit:
    """A kit in the list of kits."""

    kit: Kit
    count: int
    languages: list


@dataclass(frozen=True)
class ShownItem:
    """An item of a kit, with its reasons as [(language, name of the language, text)]."""

    row: KitItem
    reasons: list

    @property
    def item(self):
        return self.row.item

    @property
    def is_hard_to_get(self):
        count = getattr(self.item, "got_count", None)
        return count is not None and count.is_hard_to_get


def shown_kits(user, *, retired=False):
    """Return the kits that this staff member may use, by name. Their own kit comes first."""
    rows = Kit.objects.at_desk_of(user).with_words()
    kits = list(rows.filter(retired_at__isnull=not retired))
    counts = counts_of(kits)
    kits.sort(key=lambda kit: (kit.owner_id is None, kit.name.casefold(), kit.pk))
    return [ShownKit(kit, counts[kit.pk], [language_name(code) for code in kit.languages]) for kit in kits]


def editable_kits(user):
    """Return the kits that this staff member may edit."""
    return Kit.objects.at_desk_of(user).editable_by(user)


def shown_items(kit):
    """Return a ShownItem for each item of the kit, sorted by position."""
    rows = items_of(kit)
    fetch_holdings([row.item for row in rows])
    add_recorded([row.item for row in rows], timezone.localdate())
    return [ShownItem(row, _reasons_of(row)) for row in rows]


def _reasons_of(row):
    return [(each.language, language_name(each.language), each.text) for each in row.reasons.all()]
