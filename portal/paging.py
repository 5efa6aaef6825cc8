"""Split lists into pages. A page begins after the key of a row, and not at an offset.

So new rows don't shift the pages, and the last page is as fast as the first.
"""

from django.core.exceptions import ValidationError
from django.db.models import Q

PAGE = 20


def page_of(rows, field, last_seen, *, size=PAGE, oldest_first=False):
    """Return one page of a list as (rows, next).

    The page has up to `size` rows after the row with the public id `last_seen`. `next` is the `last_seen` for
    the next page, or None on the last page. The rows are sorted by `field`, newest first unless
    `oldest_first` is True. If `last_seen` is not in the queryset `rows`, return the first page.
    """
    last = _key_of(rows, field, last_seen) if last_seen else None
    if last:
        value, pk = last
        beyond = "gt" if oldest_first else "lt"
        rows = rows.filter(Q(**{f"{field}__{beyond}": value}) | Q(**{field: value, f"pk__{beyond}": pk}))
    order = (field, "pk") if oldest_first else (f"-{field}", "-pk")
    found = list(rows.order_by(*order)[: size + 1])
    page = found[:size]
    return page, page[-1].public_id if len(found) > size else None


def _key_of(rows, field, public_id):
    try:
        return rows.filter(public_id=public_id).values_list(field, "pk").first()
    except (ValidationError, ValueError):
        return None
