"""Links to lists, and links to items that staff chose. Everybody who has a link can open it."""

import uuid
from datetime import timedelta

from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone

from accounts.models import Branch, User
from recommendations.models import Item

from .lists import SavedList

LINK_NAME_MAX = 80
# The maximum number of working links that one patron can have. The pages state this limit.
MAX_LINKS = 20
# The maximum number of working links that one staff member can have. The pages state this limit, too. It is
# higher than the limit for patrons, because staff share items with many people.
MAX_STAFF_LINKS = 100


class LinkQuerySet(models.QuerySet):
    """A queryset of links."""

    def working(self, at):
        """Return the links that have not ended at the time `at`, including those of removed lists."""
        return self.filter(ended_at=None, ends_at__gt=at)

    def ended_before(self, at):
        """Return the links that ended before `at`, by themselves or because a person ended them."""
        return self.filter(Q(ended_at__lt=at) | Q(ends_at__lt=at))


class Link(models.Model):
    """A link that works without signing in.

    The address of the link contains a token. Requests find the link by `token_hmac`. `token_sealed` is the
    encrypted token, from which the people who manage the link see the address again. When one of these people
    ends the link, `token_hmac` and `token_sealed` are emptied.
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    token_hmac = models.CharField(max_length=64, null=True, unique=True)
    token_sealed = models.CharField(max_length=200, blank=True)
    client_token = models.UUIDField(
        null=True, help_text="the token of the preview, so that sending its form twice makes one link"
    )
    made_at = models.DateTimeField()
    ends_at = models.DateTimeField(help_text="when the link ends by itself, at the end of a day")
    ended_at = models.DateTimeField(null=True, blank=True, help_text="when a person ended the link")

    class Meta:
        abstract = True

    def works(self, at):
        """Return whether the link has not ended at the time `at`. Removing its list doesn't end the link."""
        return self.ended_at is None and self.ends_at > at

    @property
    def last_day(self):
        """Return the last day on which the link works if nobody ends it."""
        return timezone.localdate(self.ends_at - timedelta(seconds=1))


class ListLinkQuerySet(LinkQuerySet):
    """A queryset of links to lists."""

    def belonging_to(self, viewer):
        """Return the links of the viewer's lists. A viewer by code has none."""
        own = self.filter(saved_list__patron=viewer.person, saved_list__patron__isnull=False)
        return own.filter(saved_list__removed_at=None)

    def open_to_visitors(self, at, *, of_children):
        """Return the links that show their list to visitors at the time `at`.

        `of_children` says whether the library allows children to share lists.
        """
        rows = self.working(at).filter(saved_list__removed_at=None, saved_list__patron__is_active=True)
        return rows if of_children else rows.filter(saved_list__patron__child_since=None)


class ListLink(Link):
    """A link that shows a patron's list to everybody who has the link."""

    saved_list = models.ForeignKey(SavedList, on_delete=models.CASCADE, related_name="links")
    with_notes = models.BooleanField(default=False, help_text="whether visitors see the patron's notes")
    name = models.CharField(
        max_length=LINK_NAME_MAX, blank=True, help_text="the name that visitors see, as the patron typed it"
    )

    objects = ListLinkQuerySet.as_manager()

    def __str__(self):
        return f"link to {self.saved_list_id}"

    def get_absolute_url(self):
        """Return the URL of the page on which the patron manages the link."""
        return reverse("list_link", args=[self.public_id])

    @property
    def shown_name(self):
        """Return the name that visitors see. A child's name is never shown."""
        return "" if self.saved_list.patron.is_child else self.name


class StaffLinkQuerySet(LinkQuerySet):
    """A queryset of links that staff made."""

    def at_desk_of(self, user):
        """Return the links that this staff member made, and the links of branches that they coordinate.

        Coordinators also see the links of branches without a coordinator.
        """
        mine = Q(made_by=user)
        if user.is_coordinator:
            mine |= Q(branch__in=Branch.objects.at_desk_of(user))
        return self.filter(mine)


class StaffLink(Link):
    """A link with which staff show items to everybody who has the link.

    The items come from an answer or a visit, but no column says which one. So nobody can find the answer or
    visit through the link, and the link still works after the answer or visit is deleted.
    """

    made_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    branch = models.ForeignKey(
        Branch, on_delete=models.CASCADE, related_name="+", help_text="whose coordinators can end the link"
    )

    objects = StaffLinkQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["made_at", "id"])]

    def __str__(self):
        return f"link by {self.made_by_id}"

    def get_absolute_url(self):
        """Return the URL of the page on which staff manage the link."""
        return reverse("desk_link", args=[self.public_id])


class StaffLinkItem(models.Model):
    """An item that visitors of a StaffLink see. Ending the link deletes the row."""

    link = models.ForeignKey(StaffLink, on_delete=models.CASCADE, related_name="items")
    item = models.ForeignKey(Item, on_delete=models.CASCADE, related_name="+")
    position = models.PositiveSmallIntegerField()

    class Meta:
        ordering = ["position"]
        constraints = [models.UniqueConstraint(fields=["link", "item"], name="linked_once")]

    def __str__(self):
        return f"{self.item}"
