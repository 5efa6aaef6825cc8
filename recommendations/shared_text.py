"""Write titles as a plain text that a patron can share with others."""

from django.utils.text import capfirst
from django.utils.translation import gettext as _

from portal.catalog_links import link_for_anyone
from portal.happening import happening


def titles_as_text(items, *, library, branch=None, words=()):
    """Return a text with a paragraph for each item: title, author, call number at `branch`, and link.

    `words` are paragraphs to put before the items. They may be private, so the caller must first ask the
    patron whether to include them. If `branch` is given, the holdings of the items must be loaded.
    """
    paragraphs = [*words, *(_paragraph(item, library, branch) for item in items)]
    paragraphs.append(_("From %(library)s") % {"library": library.name})
    return "\n\n".join(filter(None, paragraphs))


def _paragraph(item, library, branch):
    lines = [", ".join(filter(None, [item.title, item.creators]))]
    lines += [", ".join(filter(None, [item.original_title, item.original_creators]))]
    lines += [capfirst(happening(item)), item.phone]
    if branch:
        lines += [
            _("%(number)s at %(branch)s") % {"number": place.call_number, "branch": place.where}
            for place in item.places
            if place.branch_id == branch.pk and place.call_number
        ]
    lines.append(link_for_anyone(item, library))
    return "\n".join(filter(None, lines))
