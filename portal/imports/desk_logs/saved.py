"""Save mappings under a name for the next file."""

from portal.imports.models import SavedMapping

from .mapping import Mapping, Places


def load_mapping(name):
    """Return the saved Mapping with this name, or None."""
    row = SavedMapping.objects.filter(name__iexact=name).first()
    return row and Mapping.from_json(row.mapping)


def save_mapping(name, mapping, *, at):
    """Save the mapping, or replace the saved one with this name. Values that look like names are left out."""
    stored = mapping.as_json(Places().words)
    row = SavedMapping.objects.filter(name__iexact=name).first() or SavedMapping(name=name)
    row.mapping, row.saved_at = stored, at
    row.save()
    return row
