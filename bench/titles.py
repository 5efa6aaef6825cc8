"""Create a list of 300 titles, and the numbers that say which items helped, for the pages that show these."""

from django.utils import timezone

from portal.kits.counting import wilson_lower_bound
from portal.kits.models import ItemCount
from portal.lists.models import SavedItem, SavedList
from recommendations.models import Holding, Item, QuestionType
from recommendations.search import entries

TITLES = 300


def list_of_300(patron, branch):
    """Return the patron's list of 300 titles. Create it if it does not exist."""
    now = timezone.now()
    times = {"made_at": now, "used_at": now}
    saved_list, is_new = SavedList.objects.get_or_create(patron=patron, name="300 titles", defaults=times)
    if is_new:
        items = Item.objects.bulk_create(
            Item(
                title=f"Title {n}",
                creators=f"Writer, {n}",
                kind="book",
                year=str(1950 + n % 70),
                added_at=now,
            )
            for n in range(TITLES)
        )
        Holding.objects.bulk_create(
            Holding(item=item, branch=branch, call_number=f"{n * 3}.{n % 9} WRI")
            for n, item in enumerate(items)
        )
        entries.index([item.pk for item in items])
        SavedItem.objects.bulk_create(
            SavedItem(saved_list=saved_list, item=item, note="For the winter", position=n, saved_at=now)
            for n, item in enumerate(items)
        )
    return saved_list


def publish_what_helped(topic):
    """Publish how often ten items helped with this topic, unless the topic already has such numbers."""
    if ItemCount.objects.filter(topic=topic).exists():
        return
    ItemCount.objects.bulk_create(
        ItemCount(
            topic=topic,
            question_type=QuestionType.REFERENCE,
            item=item,
            helped=20 + n,
            visits=40,
            lower_bound=wilson_lower_bound(20 + n, 40),
            latest_on=timezone.localdate(),
        )
        for n, item in enumerate(Item.objects.order_by("pk")[:10])
    )
