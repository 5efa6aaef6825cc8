"""The viewer of a patron page, and the queries that depend on who that is."""

from functools import wraps

from django.db.models import BigAutoField, Q

from portal.prepared import prepared

NOBODYS = Q(pk__in=[])


class Viewer:
    """A person or browser that looks at a patron page.

    `person` is a User or None. `opened_sessions` holds the primary keys of the help sessions that this
    browser opened by code, and of the children's visits that are shared with the person.
    `opened_recommendations` holds the primary keys of the recommendations made in them, as a list or a
    subquery. The middleware in portal.conversations.viewer fills in both.
    """

    def __init__(self, person=None, opened_sessions=(), opened_recommendations=()):
        self.person = person
        self.opened_sessions = opened_sessions
        self.opened_recommendations = opened_recommendations

    @classmethod
    def who_opened(cls, sessions, person):
        """Return a viewer with these opened sessions. `for_viewers` calls it to build a query."""
        return cls(person, sessions)

    def __bool__(self):
        return bool(self.person or self.opened_sessions)

    def owns(self, person_field, **opened):
        """Return the condition for rows that belong to this viewer.

        Either `person_field` is the person, or the one field in `opened` is among the given opened objects.
        Only conditions that can match are included, because the others would still cost time.
        """
        [(field, among)] = opened.items()
        theirs = Q(**{person_field: self.person}) if self.person else NOBODYS
        return theirs if not self.opened_sessions else theirs | Q(**{f"{field}__in": among})


def for_viewers(kind=Viewer, **fields):
    """Decorate a function that returns a queryset for a viewer, so that its SQL is compiled only once.

    The decorated function takes the viewer and, by name, the parameters in `fields`. Pass dates and times as
    such parameters: the query is built only once, so it would keep the time of its first call. `kind` is the
    class of viewer that the function receives.
    """

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
