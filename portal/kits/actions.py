"""Make, change, retire and restore kits."""

from django.db.models import Max

from accounts import audit
from accounts.staff_actions import staff_action
from recommendations.chosen_items import saved_items

from .models import Kit, KitItem, KitReason, KitWords

# The maximum number of kits of a library, not counting retired kits. The pages state this limit.
MAX_KITS = 300


class TooManyKits(Exception):
    """The library already has MAX_KITS kits that are not retired."""


class ChangedMeanwhile(Exception):
    """A colleague saved the kit after the form was shown, so nothing was saved."""


@staff_action
def make_kit(*, branch, topic, language, name, description, items, client_token=None, by, at):
    """Make a kit with words in one language, and return it. `items` are ChosenItems, in their order.

    If the form with this `client_token` has made a kit already, return that kit. Raises TooManyKits.
    """
    if client_token and (made := Kit.objects.filter(client_token=client_token).first()):
        return made
    if Kit.objects.offered().filter(owner=None).count() >= MAX_KITS:
        raise TooManyKits
    kit = Kit.objects.create(branch=branch, topic=topic, client_token=client_token, changed_at=at)
    _save_words(kit, language, name, description)
    _save_items(kit, items, language, branch=branch, at=at)
    audit.record("made_kit", kit, by=by, at=at)
    return kit


@staff_action
def change_kit(kit, *, version, branch, topic, language, name, description, items, by, at):
    """Change a kit, its words in one language and its items, and return the kit.

    Words and reasons in other languages don't change. `version` is the kit's version when the form was shown.
    Raises ChangedMeanwhile.
    """
    locked = Kit.objects.select_for_update().filter(pk=kit.pk, owner=None).first()
    if locked is None or locked.version != version:
        raise ChangedMeanwhile
    locked.branch, locked.topic = branch, topic
    locked.version, locked.changed_at = version + 1, at
    locked.save(update_fields=["branch", "topic", "version", "changed_at"])
    _save_words(locked, language, name, description)
    _save_items(locked, items, language, branch=branch, at=at)
    audit.record("changed_kit", locked, by=by, at=at)
    return locked


@staff_action
def retire_kit(kit, *, by, at):
    """Stop offering the kit. Staff can offer it again."""
    if Kit.objects.filter(pk=kit.pk, owner=None, retired_at=None).update(retired_at=at):
        audit.record("retired_kit", kit, by=by, at=at)


@staff_action
def offer_kit_again(kit, *, by, at):
    """Offer a retired kit again. Raises TooManyKits."""
    if Kit.objects.offered().filter(owner=None).count() >= MAX_KITS:
        raise TooManyKits
    if Kit.objects.filter(pk=kit.pk, owner=None, retired_at__isnull=False).update(retired_at=None):
        audit.record("offered_kit_again", kit, by=by, at=at)


@staff_action
def remove_own_item(kit, item, *, by, at):
    """Remove an item from the staff member's own kit. The worker doesn't add this item to the kit again."""
    for own in Kit.objects.select_for_update().filter(pk=kit.pk, owner=by):
        KitItem.objects.filter(kit=own, item=item, removed_at=None).update(removed_at=at)


@staff_action
def restore_own_item(kit, item, *, by, at):
    """Undo `remove_own_item`."""
    for own in Kit.objects.select_for_update().filter(pk=kit.pk, owner=by):
        last = own.items.filter(removed_at=None).aggregate(last=Max("position"))["last"]
        rows = KitItem.objects.filter(kit=own, item=item, removed_at__isnull=False)
        rows.update(removed_at=None, position=(last or 0) + 1)


def _save_words(kit, language, name, description):
    KitWords.objects.update_or_create(
        kit=kit, language=language, defaults={"name": name, "description": description}
    )


def _save_items(kit, items, language, *, branch, at):
    """Save the items in this order, with their reasons in one language.

    Reasons in other languages don't change.
    """
    before = {row.item_id: row for row in kit.items.all()}
    kept = set()
    for position, (chosen, item) in enumerate(
        zip(items, saved_items(items, at=at, branch=branch), strict=True)
    ):
        if item.pk in kept:
            continue
        kept.add(item.pk)
        row = before.get(item.pk) or KitItem(kit=kit, item=item)
        row.position, row.starred = position, chosen.starred
        row.save()
        if chosen.reason:
            KitReason.objects.update_or_create(
                kit_item=row, language=language, defaults={"text": chosen.reason}
            )
        else:
            KitReason.objects.filter(kit_item=row, language=language).delete()
    kit.items.exclude(item__in=kept).delete()
