"""Split lists into pages. A page begins after a row with a known key, and not at an offset.

Because of the key, new rows don't shift the pages, and the last page is as fast as the first.
"""

from django.core.exceptions import ValidationError
from django.db.models import Q

PAGE = 20


def page_of(rows, field, last_seen, *, size=PAGE, oldest_first=False):
    """Return one page of a list as (rows, next).

    The page has up to `size` rows after the row with the public id `last_seen`. `next` is the `last_seen` for
    the next page, or None on the last page. The rows are sorted by `field`: newest first, or oldest first if
    `oldest_first` is True. If `last_seen` is not in the queryset `rows`, return the first page.
    """
    last = _key_of(rows, field, last_seen) if last_seen else None
    if last:
        value, pk = last
        beyond = "gt" if oldest_first else "lt"
        rows = rows.filter(Q(**{f"{field}__{beyond}": value}) | Q(**{field: value, f"pk__{beyond}": pk}))
    order = (field, "pk") if oldest_first else (f"-{field}", "-pk")
    return split_off(rows.order_by(*order)[: size + 1], size=size)


def split_off(rows, *, size=PAGE):
    """Return (rows of the page, next), like `page_of`. `rows` has up to `size` + 1 rows from the database."""
    found = list(rows)
    page = found[:size]
    return page, page[-1].public_id if len(found) > size else None


def _key_of(rows, field, public_id):
    try:
        return rows.filter(public_id=public_id).values_list(field, "pk").first()
    except (ValidationError, ValueError):
        return None
