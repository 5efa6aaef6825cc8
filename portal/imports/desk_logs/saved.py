"""Save mappings under a name for the next file."""

from portal.imports.models import SavedMapping

from .mapping import Mapping, Places
from .values import looks_personal


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
    stored, known_words = mapping.as_json(), Places().words
    stored["values"] = {
        name: {
            value: ours for value, ours in mapped.items() if not looks_personal(value.title(), known_words)
        }
        for name, mapped in mapping.values.items()
    }
    stored["usual_order"], stored["order"] = order or mapping.order or mapping.usual_order, ""
    row = SavedMapping.objects.filter(name__iexact=name).first() or SavedMapping(name=name)
    row.mapping, row.saved_at = stored, at
    row.save()
    return row
