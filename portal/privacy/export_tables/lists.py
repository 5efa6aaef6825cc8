"""The export tables about saved lists."""

from django.utils.translation import gettext_lazy as _

from portal.lists.models import SavedItem, SavedList

from .table import Table

TABLES = {
    "lists": Table(
        "lists.SavedList",
        _("your lists"),
        lambda person, at: SavedList.objects.filter(patron=person).order_by("made_at", "pk"),
        {"id": "public_id", "name": "name", "made_at": "made_at"},
    ),
    "list_items": Table(
        "lists.SavedItem",
        _("the items on your lists"),
        lambda person, at: (
            SavedItem.objects.in_lists()
            .filter(saved_list__patron=person)
            .select_related("saved_list", "item", "recommendation")
            .order_by("saved_at", "pk")
        ),
        {
            "list": "saved_list.public_id",
            "title": "item.title",
            "by": "item.creators",
            "original_title": "item.original_title",
            "original_by": "item.original_creators",
            "kind": "item.kind",
            "year": "item.year",
            "isbn": "item.isbn",
            "link": "item.url",
            "recommendation": "recommendation.public_id",
            "saved_at": "saved_at",
        },
    ),
}
