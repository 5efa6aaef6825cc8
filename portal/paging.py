"""Lists page by key, not by offset: a page stays the same page while rows arrive, and the last costs what the first does."""

from django.core.exceptions import ValidationError
from django.db.models import Q

PAGE = 20


def page_of(rows, field, last_seen, *, size=PAGE, oldest_first=False):
    """The `size` rows that come after the one with the public id `last_seen`, latest (or oldest) first by `field`.

    `rows` is a scoped queryset, so an id from somewhere else leads nowhere: to the first page. Returns the rows as a list,
    and the public id to go on from (None at the end).
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
