"""Patrons' lists of items."""

import uuid
from datetime import datetime, time, timedelta

from django.db import models
from django.db.models import Count, Min, Q
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.models import Library, User
from portal.page_addresses import address_of
from recommendations.models import Item, Recommendation

NAME_MAX = 80
# MAX_LISTS is the limit for one person, MAX_ITEMS for one list, and NOTE_MAX (characters) for one note. Pages
# state the first two limits before they are reached.
MAX_LISTS = 50
MAX_ITEMS = 500
NOTE_MAX = 2000
# A list or title can be restored for this long after the day of its removal.
RESTORE_FOR = timedelta(days=30)


def restorable_since(at):
    """Return the earliest time of a removal that can still be undone at the time `at`.

    This is the beginning of a day at the library, so that a page can name the last day for restoring.
    """
    library = Library.current()
    return datetime.combine(library.today(at) - RESTORE_FOR, time.min, tzinfo=library.zone)


def before_restorable(at):
    """Return a time just before `restorable_since(at)`. A removal at that time can't be undone anymore."""
    return restorable_since(at) - timedelta(seconds=1)


def last_day(removed_at):
    """Return the last day on which something that was removed at `removed_at` can be restored."""
    return timezone.localdate(removed_at) + RESTORE_FOR


class SavedListQuerySet(models.QuerySet):
    """A queryset of saved lists."""

    def belonging_to(self, viewer, *, restorable_at=None):
        """Return the viewer's lists. A viewer by code has none.

        If `restorable_at` is a time, include the removed lists that the viewer can still restore at that
        time.
        """
        own = self.filter(patron=viewer.person, patron__isnull=False)
        return own.filter(removed_at=None) if restorable_at is None else own.not_forgotten(restorable_at)

    def of_patron(self, patron):
        """Return the lists of this person, without the removed ones."""
        return self.filter(patron=patron, removed_at=None)

    def not_forgotten(self, at):
        """Leave out the removed lists that can no longer be restored at the time `at`."""
        return self.filter(Q(removed_at=None) | Q(removed_at__gte=restorable_since(at)))

    def with_count(self):
        """Add the number of titles in each list as `count`."""
        return self.annotate(count=Count("saved_items", filter=Q(saved_items__removed_at=None)))

    def last_used_first(self):
        return self.order_by("-used_at", "-pk")


class SavedList(models.Model):
    """A patron's list of items.

    The first list is created when the patron saves their first item. It has no name, so that its title is
    always in the language of the page. When the patron removes a list, the row stays for RESTORE_FOR, with
    its items.
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    patron = models.ForeignKey(User, on_delete=models.CASCADE, related_name="saved_lists")
    name = models.CharField(_("name"), max_length=NAME_MAX, blank=True)
    made_at = models.DateTimeField()
    used_at = models.DateTimeField(
        help_text="when the patron last saved an item here; the next item goes into the list last used"
    )
    removed_at = models.DateTimeField(null=True, blank=True, db_index=True)

    objects = SavedListQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["patron", "-used_at", "-id"])]
        constraints = [
            models.UniqueConstraint(
                fields=["patron", "name"], condition=Q(removed_at=None), name="one_list_of_a_name"
            )
        ]

    def __str__(self):
        return self.title

    def get_absolute_url(self):
        return address_of("saved_list", self.public_id)

    @property
    def title(self):
        return title_of(self.name)

    def top_position(self):
        """Return the position for a title to be placed at the top. The caller locks the patron's lists."""
        first = self.saved_items.aggregate(first=Min("position"))["first"]
        return (first or 0) - 1

    @property
    def restorable_until(self):
        """Return the last day on which the removed list can be restored."""
        return last_day(self.removed_at)


def title_of(name):
    """Return the title that pages show for a list with this name."""
    return name or gettext("Your list")


class SavedItemQuerySet(models.QuerySet):
    """A queryset of saved items."""

    def belonging_to(self, viewer, *, restorable_at=None):
        """Return the items in the viewer's lists. A viewer by code has none.

        If `restorable_at` is a time, include the removed items that the viewer can still restore at that
        time.
        """
        own = self.filter(saved_list__patron=viewer.person, saved_list__patron__isnull=False)
        if restorable_at is None:
            return own.in_lists()
        return own.not_forgotten(restorable_at).filter(saved_list__removed_at=None)

    def in_lists(self):
        """Leave out the items that their patron has removed, alone or with their list."""
        return self.filter(removed_at=None, saved_list__removed_at=None)

    def restorable(self, at):
        """Return the removed items that can still be restored at the time `at`.

        An item of a removed list can't be restored until the list is restored.
        """
        return self.filter(removed_at__gte=restorable_since(at), saved_list__removed_at=None)

    def not_forgotten(self, at):
        """Leave out the items that can't be restored anymore at the time `at`.

        They were removed too long ago, alone or with their list.
        """
        since = restorable_since(at)
        return self.filter(
            Q(removed_at=None) | Q(removed_at__gte=since),
            Q(saved_list__removed_at=None) | Q(saved_list__removed_at__gte=since),
        )

    def latest_first(self):
        return self.order_by("-saved_at", "-pk")

    def in_order(self):
        """Sort the items of one list as the patron has ordered them."""
        return self.order_by("position", "pk")


class SavedItem(models.Model):
    """A title in a list, with what the patron noted about it.

    It is an item of the catalog, or a title that the patron added by hand. A title added by hand is not an
    Item, because nobody else may find it.

    `recommendation` is the recommendation from which the patron saved the item, if any. The staff member's
    reason is stored only there, so it is deleted when the visit is forgotten.

    When the patron removes the title, the row stays for RESTORE_FOR, so that restoring brings back the same
    row.
    """

    class Reading(models.TextChoices):
        """How far the patron is with the title."""

        WANT = "want", _("want to start")
        READING = "reading", _("reading")
        DONE = "done", _("done")
        STOPPED = "stopped", _("stopped")

    # True for the first of the rows that the button "Show more" of a search has just added. `mark_first_new`
    # sets it.
    is_first_new = False

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    saved_list = models.ForeignKey(SavedList, on_delete=models.CASCADE, related_name="saved_items")
    item = models.ForeignKey(Item, on_delete=models.CASCADE, null=True, blank=True, related_name="+")
    title = models.CharField(max_length=400, blank=True, default="", db_default="", help_text="by hand")
    creators = models.CharField(max_length=300, blank=True, default="", db_default="", help_text="by hand")
    recommendation = models.ForeignKey(
        Recommendation, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    note = models.TextField(blank=True, default="", db_default="")
    reading = models.CharField(max_length=10, choices=Reading, blank=True, default="", db_default="")
    position = models.IntegerField(
        default=0, db_default=0, help_text="the order of the list; no two titles of a list have the same one"
    )
    saved_at = models.DateTimeField()
    removed_at = models.DateTimeField(null=True, blank=True, db_index=True)
    changed_at = models.DateTimeField(
        null=True, blank=True, help_text="when the patron last removed or restored the item"
    )
    from_link = models.BooleanField(
        default=False,
        db_default=False,
        help_text="copied from a link, so a call number that staff typed for another patron isn't shown",
    )

    objects = SavedItemQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["saved_list", "position", "id"]),
            models.Index(fields=["saved_list", "-saved_at", "-id"]),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["saved_list", "item"], condition=Q(removed_at=None), name="saved_once_per_list"
            ),
            models.CheckConstraint(
                condition=Q(item__isnull=False, title="", creators="") | Q(item=None) & ~Q(title=""),
                name="an_item_or_a_title_by_hand",
            ),
            models.CheckConstraint(
                condition=Q(reading__in=["", "want", "reading", "done", "stopped"]), name="known_reading"
            ),
        ]

    def __str__(self):
        return f"{self.shown}"

    @cached_property
    def shown(self):
        """Return the item that pages show. For a title added by hand, this is an Item that isn't saved."""
        if self.item_id:
            return self.item
        shown = Item(public_id=self.public_id, kind=Item.Kind.OTHER, title=self.title, creators=self.creators)
        shown.places = []
        return shown

    @property
    def restorable_until(self):
        """Return the last day on which the removed item can be restored."""
        return last_day(self.removed_at)
