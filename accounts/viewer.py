"""The viewer of a patron page, and a decorator for queries that depend on the viewer."""

from functools import cache, wraps

from django.db.models import BigAutoField, Q

from portal.prepared import prepared

NOBODYS = Q(pk__in=[])


class Viewer:
    """A person or browser that looks at a patron page.

    `person` is a User or None. `opened_sessions` has primary keys of help sessions. This browser opened some
    of these sessions by code. Others are children's visits that are shared with the person.
    `opened_recommendations` has the primary keys of the recommendations in these sessions and in their
    conversations, as a list or a subquery. The middleware in portal.conversations.viewer sets these
    attributes.
    """

    def __init__(self, person=None, opened_sessions=(), opened_recommendations=()):
        self.person = person
        self.opened_sessions = opened_sessions
        self.opened_recommendations = opened_recommendations

    @classmethod
    def who_opened(cls, sessions, person):
        """Return a viewer for `person` with these opened sessions. `for_viewers` builds a query with it."""
        return cls(person, sessions)

    def __bool__(self):
        return bool(self.person or self.opened_sessions)

    def owns(self, person_field, **opened):
        """Return the condition for rows that belong to this viewer.

        A row belongs to the viewer if the field `person_field` is the viewer's person, or if the field in
        `opened` has one of the listed values. For example, `pk=[1, 2]` lists two primary keys. A comparison
        that can't match is left out, because it would cost the database time.
        """
        [(field, among)] = opened.items()
        theirs = Q(**{person_field: self.person}) if self.person else NOBODYS
        return theirs if not self.opened_sessions else theirs | Q(**{f"{field}__in": among})


def for_viewers(**fields):
    """Decorate a function that returns a queryset for a viewer, so that its SQL is compiled only once.

    The decorated function takes the viewer and, as keyword arguments, the parameters in `fields`. Pass dates
    and times as such parameters. The query is built only once, so it would otherwise always use the time of
    the first call.
    """

    def decorate(make):
        @cache
        def prepared_for(kind):
            @prepared(person=BigAutoField(), opened=BigAutoField(), **fields)
            def rows(person, opened, **values):
                return make(kind.who_opened(opened or (), person), **values)

            return rows

        @wraps(make)
        def run(viewer, **values):
            # `type(viewer)` would be the class of the lazy object in request.viewer.
            rows = prepared_for(viewer.__class__)
            return rows(
                person=viewer.person and viewer.person.pk, opened=viewer.opened_sessions or None, **values
            )

        return run

    return decorate
