from django.db.models import Q

NOBODYS = Q(pk__in=[])


class Reader:
    """Whoever is looking at a patron page: a signed-in person, a browser that opened sessions by code, or both.

    `person` is a User or None. `opened_sessions` holds the primary keys of the help sessions that this browser may open by a live code, or
    this person because a child's visit is shared with them; `opened_recommendations` those of the recommendations made in them (a list
    or a subquery). The middleware that fills them is on a higher floor: portal.conversations.reader.
    """

    def __init__(self, person=None, opened_sessions=(), opened_recommendations=()):
        self.person = person
        self.opened_sessions = list(opened_sessions)
        self.opened_recommendations = list(opened_recommendations)

    def __bool__(self):
        return bool(self.person or self.opened_sessions)

    def owns(self, person_field, **opened):
        """The rows whose `person_field` is this person, or whose one field in `opened` is among what was opened by code.

        Built from what there is: most readers are one or the other, and a condition that can't be met still costs.
        """
        [(field, among)] = opened.items()
        theirs = Q(**{person_field: self.person}) if self.person else NOBODYS
        return theirs if not self.opened_sessions else theirs | Q(**{f"{field}__in": among})
