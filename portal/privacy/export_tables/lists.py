"""The export tables about saved lists."""

from django.utils.translation import gettext_lazy as _

from portal.lists.models import ListLink, SavedItem, SavedList

from .table import Table

TABLES = {
    "lists": Table(
        "lists.SavedList",
        _("your lists"),
        lambda person, at: (
            SavedList.objects.not_forgotten(at).filter(patron=person).order_by("made_at", "pk")
        ),
        {
            "id": "public_id",
            "name": "name",
            "made_at": "made_at",
            "last_used_at": "used_at",
            "removed_at": "removed_at",
        },
    ),
    "list_items": Table(
        "lists.SavedItem",
        _("the items on your lists"),
        lambda person, at: (
            SavedItem.objects.not_forgotten(at)
            .filter(saved_list__patron=person)
            .select_related("saved_list", "item", "recommendation")
            .order_by("saved_at", "pk")
        ),
        {
            "list": "saved_list.public_id",
            "title": "shown.title",
            "by": "shown.creators",
            "original_title": "shown.original_title",
            "original_by": "shown.original_creators",
            "kind": "shown.kind",
            "year": "shown.year",
            "isbn": "shown.isbn",
            "link": "shown.url",
            "recommendation": "recommendation.public_id",
            "note": "note",
            "reading": "reading",
            "position": "position",
            "saved_at": "saved_at",
            "removed_at": "removed_at",
        },
    ),
    "list_links": Table(
        "lists.ListLink",
        _("the links that you made to share your lists, but not their web addresses"),
        lambda person, at: (
            ListLink.objects.filter(
                saved_list__patron=person, saved_list__in=SavedList.objects.not_forgotten(at)
            )
            .select_related("saved_list")
            .order_by("made_at", "pk")
        ),
        {
            "list": "saved_list.public_id",
            "name": "name",
            "with_notes": "with_notes",
            "made_at": "made_at",
            "ends_at": "ends_at",
            "ended_at": "ended_at",
        },
    ),
}
