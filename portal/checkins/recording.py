"""Record a help session and plan its check-in in one transaction.

Each function takes the arguments of the function with the same name in portal.helpsessions.actions. The
additional argument `wish` is a planning.Wish: what staff chose about the check-in. `library` is the Library,
if it is loaded already.
"""

from django.db import transaction

from portal.helpsessions import actions

from .planning import NO_WISH, plan


@transaction.atomic
def record(*, at, wish=NO_WISH, **fields):
    help_session = actions.record(at=at, **fields)
    plan(help_session, at=at, wish=wish)
    return help_session


@transaction.atomic
def record_and_hand_over(*, at, wish=NO_WISH, library=None, **fields):
    help_session, code = actions.record_and_hand_over(at=at, **fields)
    plan(help_session, at=at, wish=wish, library=library)
    return help_session, code


@transaction.atomic
def record_and_keep(*, at, wish=NO_WISH, **fields):
    help_session, code = actions.record_and_keep(at=at, **fields)
    plan(help_session, at=at, wish=wish)
    return help_session, code
