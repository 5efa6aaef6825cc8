from functools import wraps

from django.db.models import BigAutoField, Q

from portal.prepared import prepared

NOBODYS = Q(pk__in=[])


class Viewer:
    """Whoever is looking at a patron page: a signed-in person, a browser that opened sessions by code, or both.

    `person` is a User or None. `opened_sessions` holds the primary keys of the help sessions that this browser may open by a live code, or
    this person because a child's visit is shared with them; `opened_recommendations` those of the recommendations made in them (a list
    or a subquery). The middleware that fills them is on a higher floor: portal.conversations.viewer.
    """

    def __init__(self, person=None, opened_sessions=(), opened_recommendations=()):
        self.person = person
        self.opened_sessions = opened_sessions
        self.opened_recommendations = opened_recommendations

    @classmethod
    def who_opened(cls, sessions, person):
        """One whose opened sessions are known: `for_viewers` makes its queries for these."""
        return cls(person, sessions)

    def __bool__(self):
        return bool(self.person or self.opened_sessions)

    def owns(self, person_field, **opened):
        """The rows whose `person_field` is this person, or whose one field in `opened` is among what was opened by code.

        Built from what there is: most readers are one or the other, and a condition that can't be met still costs.
        """
        [(field, among)] = opened.items()
        theirs = Q(**{person_field: self.person}) if self.person else NOBODYS
        return theirs if not self.opened_sessions else theirs | Q(**{f"{field}__in": among})


def for_viewers(kind=Viewer, **fields):
    """portal.prepared.prepared for a function that makes a queryset of a reader, of this kind, and of other parameters: it is called with
    the reader, and by name with the values. A moment or a day that it compares with must be one of these, since it is put together once."""

    def decorate(make):
        @prepared(person=BigAutoField(), opened=BigAutoField(), **fields)
        def of_each_kind(person, opened, **values):
            return make(kind.who_opened(opened or (), person), **values)

        @wraps(make)
        def run(viewer, **values):
            return of_each_kind(
                person=viewer.person and viewer.person.pk, opened=viewer.opened_sessions or None, **values
            )

        return run

    return decorate
