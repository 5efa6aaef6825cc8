"""Save mappings for later files: under a name, or with an import for the file of its failed rows."""

from portal.counts.models import LogImport
from portal.imports.models import SavedMapping

from .mapping import Mapping, Places
from .overview import ORIGIN
from .rows import import_of
from .values import GUESSES, looks_personal


def load_mapping(name):
    """Return the saved Mapping with this name, or None."""
    row = SavedMapping.objects.filter(name__iexact=name).first()
    if row is None:
        return None
    mapping = Mapping.from_json(row.mapping)
    # The saved order of day and month was chosen for another file. So use it only if the dates of this file
    # don't show which comes first.
    mapping.usual_order, mapping.order = mapping.order or mapping.usual_order, ""
    return mapping


def save_mapping(name, mapping, *, order="", at):
    """Save the mapping, or replace the saved one with this name. Values that look like names are left out.

    `order` is the order of day and month in the file. It is saved for the next file, whose dates may not show
    an order.
    """
    stored = _without_names(mapping)
    stored["usual_order"] = order or mapping.order or mapping.usual_order
    stored["order"] = stored["other_order"] = ""
    row = SavedMapping.objects.filter(name__iexact=name).first() or SavedMapping(name=name)
    row.mapping, row.saved_at = stored, at
    row.save()
    return row


def answers_of(mapping, plan):
    """Return what the import with this Plan stores for the file of its failed rows, as JSON.

    Values that look like names are left out. The columns and the order of day and month are those of the
    Plan. Otherwise, the portal would guess them again from only the failed rows, and could guess differently.
    """
    stored = _without_names(mapping)
    fields = sorted({*GUESSES, *mapping.columns, *plan.positions})
    stored["columns"] = {
        name: [plan.names[place] for place in plan.positions.get(name, ())] for name in fields
    }
    stored["order"], stored["other_order"], stored["epoch"] = plan.order, plan.other_order, plan.epoch
    return stored


def earlier_answers(overview):
    """Return (LogImport, Mapping) if this is a file of failed rows. Otherwise, return None.

    The LogImport is the import in which the rows failed. If that import was undone, return None too, because
    its answers are gone.
    """
    column = overview.named(ORIGIN)
    origin = import_of(next(iter(column.values), "")) if column else None
    log_import = LogImport.objects.filter(pk=origin).first() if origin else None
    if log_import is None or not log_import.answers:
        return None
    return log_import, Mapping.from_json(log_import.answers).fitted(overview)


def _without_names(mapping):
    """Return the mapping as JSON for the database. Values that look like names are left out."""
    stored, known_words = mapping.as_json(), Places().words
    stored["values"] = {
        name: {
            value: ours for value, ours in mapped.items() if not looks_personal(value.title(), known_words)
        }
        for name, mapped in mapping.values.items()
    }
    return stored
