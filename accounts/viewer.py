"""The viewer of a patron page, and a decorator for queries that depend on the viewer."""

from functools import cache, wraps

from django.db.models import BigAutoField, Q
from django.utils.functional import cached_property

from portal.prepared import prepared

from .sign_in.library_cards import home_branch_of

NOBODYS = Q(pk__in=[])


class Viewer:
    """A person or browser that looks at a patron page.

    `person` is a User or None. `opened_sessions` has primary keys of help sessions: the sessions that this
    browser opened by code, and the children's visits that are shared with the person.
    `opened_recommendations` has the primary keys of the recommendations in these sessions and in their
    conversations, as a list or a subquery. The middleware in portal.conversations.viewer sets these
    attributes. `has_opened_codes` says whether this browser opened any visit by code, even if the code has
    stopped working.
    """

    def __init__(self, person=None, opened_sessions=(), opened_recommendations=()):
        self.person = person
        self.opened_sessions = opened_sessions
        self.opened_recommendations = opened_recommendations

    @classmethod
    def who_opened(cls, sessions, person):
        """Return the viewer for this person and these sessions.

        Both arguments can be Slots (portal/prepared.py), which are placeholders for values in a query whose
        SQL is compiled only once.
        """
        return cls(person, sessions)

    @cached_property
    def home_branch_id(self):
        """Return the primary key of the home branch of the person's library card, or None."""
        return self.person and home_branch_of(self.person)

    def without_codes(self):
        """Return this viewer without the visits that were opened by code."""
        return Viewer(self.person)

    def __bool__(self):
        return bool(self.person or self.opened_sessions)

    @property
    def has_opened_codes(self):
        return False

    def why_closed(self, model, public_id):
        """Return why this browser's code no longer opens an object of this model: "kept" or "ended".

        "kept" means that somebody has added the visit to an account. "ended" means that the code no longer
        works. Return "" if the code still opens the object, or if this browser has never opened the object by
        code.
        """
        return ""

    def owns(self, person_field, **opened):
        """Return the condition for rows that belong to this viewer.

        For example, `owns("patron", pk=ids)` finds the rows whose field "patron" is the viewer's person, and
        the rows whose primary key is in `ids`. The second condition is for rows that were opened by code. A
        condition that can't match is left out, because it would make the query slower.
        """
        [(field, among)] = opened.items()
        theirs = Q(**{person_field: self.person}) if self.person else NOBODYS
        return theirs if not self.opened_sessions else theirs | Q(**{f"{field}__in": among})


def for_viewers(**fields):
    """Decorate a function that returns a queryset for a viewer. The SQL is then compiled only once.

    The arguments of the decorated function are the viewer and the keyword arguments in `fields`. If the query
    needs the current date or time, `fields` must contain it. If the function read the clock, the time would
    never change, because the query is built only once.
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
            # `viewer` can be one of Django's lazy objects. Then type() returns the class of the lazy object,
            # but __class__ is the class of the viewer.
            rows = prepared_for(viewer.__class__)
            return rows(
                person=viewer.person and viewer.person.pk, opened=viewer.opened_sessions or None, **values
            )

        return run

    return decorate
