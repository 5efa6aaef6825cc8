"""The lists that the library edits, from which staff choose when they record a help session."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from accounts.models import Branch


class ChoiceQuerySet(models.QuerySet):
    def offered(self):
        """Return the choices that staff can still choose, in the order of the list."""
        return self.filter(retired_at=None).order_by(*self.model.ORDER)


class PatronGroup(models.Model):
    """One kind of patron that the library counts, such as students. It names nobody.

    The row with `is_other` also counts patrons whose library card names a group that the library has not
    mapped.
    """

    ORDER = ("is_other", "name", "pk")

    name = models.CharField(_("name"), max_length=60, unique=True)
    card_groups = models.JSONField(
        default=list, blank=True, help_text="the names of the groups on library cards that are this group"
    )
    is_other = models.BooleanField(default=False)
    retired_at = models.DateTimeField(_("no longer offered since"), null=True, blank=True)

    objects = ChoiceQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["is_other"], condition=Q(is_other=True), name="one_group_for_others"
            )
        ]

    def __str__(self):
        return _now("Other") if self.is_other else self.name


class ServicePoint(models.Model):
    """A place in a branch where staff help people, such as the front desk."""

    ORDER = ("branch__name", "name", "pk")

    branch = models.ForeignKey(Branch, on_delete=models.CASCADE, related_name="service_points")
    name = models.CharField(_("name"), max_length=60)
    retired_at = models.DateTimeField(_("no longer offered since"), null=True, blank=True)

    objects = ChoiceQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["branch", "name"], name="one_service_point_per_name")]

    def __str__(self):
        return self.name


class TallyKind(models.Model):
    """A kind of short contact that staff count at a service point with one key, such as printing."""

    ORDER = ("pk",)

    service_point = models.ForeignKey(ServicePoint, on_delete=models.CASCADE, related_name="tally_kinds")
    name = models.CharField(_("name"), max_length=40)
    key = models.CharField(_("key"), max_length=1, blank=True)
    retired_at = models.DateTimeField(_("no longer offered since"), null=True, blank=True)

    objects = ChoiceQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["service_point", "name"],
                condition=Q(retired_at=None),
                name="one_tally_kind_per_name",
            ),
            models.UniqueConstraint(
                fields=["service_point", "key"],
                condition=Q(retired_at=None) & ~Q(key=""),
                name="one_tally_kind_per_key",
            ),
        ]

    def __str__(self):
        return self.name


class OwnField(models.Model):
    """A field that the library has added to the record form. Its values are a list, never free text."""

    ORDER = ("name", "pk")

    name = models.CharField(_("name"), max_length=40)
    retired_at = models.DateTimeField(_("no longer offered since"), null=True, blank=True)

    objects = ChoiceQuerySet.as_manager()

    def __str__(self):
        return self.name


class OwnValue(models.Model):
    """A value of a field that the library has added to the record form."""

    ORDER = ("field__name", "field", "pk")

    field = models.ForeignKey(OwnField, on_delete=models.CASCADE, related_name="values")
    name = models.CharField(_("name"), max_length=60)
    retired_at = models.DateTimeField(_("no longer offered since"), null=True, blank=True)

    objects = ChoiceQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["field", "name"], name="one_value_per_name")]

    def __str__(self):
        return self.name
