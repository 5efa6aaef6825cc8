from django.core.management.base import BaseCommand
from django.db import transaction

from accounts.models import NameWord, User

PEOPLE_AT_ONCE = 1000


class Command(BaseCommand):
    help = "Rebuild the desk's index of people's names. It is safe at any time."

    def handle(self, **options):
        last: int | None = 0
        while last is not None:
            last = _index_after(last)


@transaction.atomic
def _index_after(pk):
    """Index the names of the next PEOPLE_AT_ONCE people, whose primary keys are greater than `pk`.

    Return the last of these primary keys, or None if no people are left.
    """
    people = list(
        User.objects.select_for_update(no_key=True).filter(pk__gt=pk).order_by("pk")[:PEOPLE_AT_ONCE]
    )
    NameWord.objects.index(people)
    return people[-1].pk if people else None
