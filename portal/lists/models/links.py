"""Links that show a list to everybody who has the link."""

import uuid
from datetime import timedelta

from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone

from .lists import SavedList

LINK_NAME_MAX = 80
# The number of working links that one person can have. The pages state this limit.
MAX_LINKS = 20


class ListLinkQuerySet(models.QuerySet):
    """A queryset of links."""

    def belonging_to(self, viewer):
        """Return the links of the viewer's lists. A viewer by code has none."""
        own = self.filter(saved_list__patron=viewer.person, saved_list__patron__isnull=False)
        return own.filter(saved_list__removed_at=None)

    def working(self, at):
        """Return the links that have not ended at the time `at`, including those of removed lists."""
        return self.filter(ended_at=None, ends_at__gt=at)

    def ended_before(self, at):
        """Return the links whose time was over before `at`, or that the patron ended before `at`."""
        return self.filter(Q(ended_at__lt=at) | Q(ends_at__lt=at))

    def open_to_visitors(self, at, *, of_children):
        """Return the links that show their list to visitors at the time `at`.

        `of_children` says whether the library allows children to share lists.
        """
        rows = self.working(at).filter(saved_list__removed_at=None, saved_list__patron__is_active=True)
        return rows if of_children else rows.filter(saved_list__patron__child_since=None)


class ListLink(models.Model):
    """A link that shows a list to everybody who has it, without signing in.

    The address of the link contains a token. `token_hmac` finds the link. `token_sealed` is the encrypted
    token, which shows the address to the patron again. Both are empty after the patron has ended the link.
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    saved_list = models.ForeignKey(SavedList, on_delete=models.CASCADE, related_name="links")
    token_hmac = models.CharField(max_length=64, null=True, unique=True)
    token_sealed = models.CharField(max_length=200, blank=True)
    with_notes = models.BooleanField(default=False, help_text="whether visitors see the patron's notes")
    name = models.CharField(
        max_length=LINK_NAME_MAX, blank=True, help_text="the name that visitors see, as the patron typed it"
    )
    made_at = models.DateTimeField()
    ends_at = models.DateTimeField(help_text="when the link ends by itself, at the end of a day")
    ended_at = models.DateTimeField(null=True, blank=True, help_text="when the patron ended the link")

    objects = ListLinkQuerySet.as_manager()

    def __str__(self):
        return f"link to {self.saved_list_id}"

    def get_absolute_url(self):
        """Return the URL of the page on which the patron manages the link."""
        return reverse("list_link", args=[self.public_id])

    def works(self, at):
        """Return whether the link has not ended at the time `at`. This ignores that a list can be removed."""
        return self.ended_at is None and self.ends_at > at

    @property
    def last_day(self):
        """Return the last day on which the link works if the patron doesn't end it."""
        return timezone.localdate(self.ends_at - timedelta(seconds=1))

    @property
    def shown_name(self):
        """Return the name that visitors see. A child's name is never shown."""
        return "" if self.saved_list.patron.is_child else self.name
