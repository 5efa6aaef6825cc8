"""The files of real covers. They are private files, and a view decides who may see them."""

import datetime
from contextlib import suppress

from django.core.files.base import ContentFile
from django.db.models import Exists, OuterRef
from django.utils import timezone

from accounts.models import private_storage
from recommendations.models import Cover, Item

FOLDER = "covers"
ENDING = ".webp"
# A picture file without a row of Cover is deleted when the file is older than this. A newer file may still
# get a row, because the file is written before the row.
STRAY_FOR = datetime.timedelta(hours=1)


def save_cover(isbn, picture, *, on):
    """Store the source's answer about this ISBN: a picture from `files.cover_picture`, or None for no cover.

    If the source no longer has a cover, a picture that is already stored stays.
    """
    if picture is None:
        Cover.objects.update_or_create(
            isbn=isbn, defaults={"asked_on": on}, create_defaults={"asked_on": on, "found": False}
        )
        return
    storage, name = private_storage(), name_of(isbn)
    storage.delete(name)
    storage.save(name, ContentFile(picture))
    Cover.objects.update_or_create(isbn=isbn, defaults={"asked_on": on, "found": True})
    Item.objects.filter(isbn=isbn).update(has_cover=True)


def read_cover(isbn):
    """Return the picture that is stored for this ISBN, or None."""
    if not isbn:
        return None
    try:
        with private_storage().open(name_of(isbn), "rb") as stream:
            return stream.read()
    except FileNotFoundError:
        return None


def name_of(isbn):
    return f"{FOLDER}/{isbn}{ENDING}"


def tidy_covers(*, at):
    """Correct differences between the files of covers, the rows of Cover and the field `has_cover` of items.

    Differences come from an import that changes or removes an ISBN. They also come from restoring a backup,
    because a backup has no covers. The worker calls this function once a day.
    """
    _forget_unused_isbns()
    _forget_missing_and_stray_files(at)
    has_one = Exists(Cover.objects.filter(isbn=OuterRef("isbn"), found=True))
    Item.objects.filter(has_one, has_cover=False).update(has_cover=True)
    Item.objects.filter(~has_one, has_cover=True).update(has_cover=False)


def _forget_unused_isbns():
    Cover.objects.filter(~Exists(Item.objects.filter(isbn=OuterRef("isbn")))).delete()


def _forget_missing_and_stray_files(at):
    """Delete pictures without a row of Cover. Also delete rows without a picture, to ask the source again."""
    storage = private_storage()
    names = set()
    with suppress(FileNotFoundError):
        names = set(storage.listdir(FOLDER)[1])
    found = set(Cover.objects.filter(found=True).values_list("isbn", flat=True))
    missing = [isbn for isbn in found if isbn + ENDING not in names]
    for start in range(0, len(missing), 500):
        Cover.objects.filter(isbn__in=missing[start : start + 500]).delete()
    for name in names - {isbn + ENDING for isbn in found}:
        path = f"{FOLDER}/{name}"
        with suppress(FileNotFoundError):
            if storage.get_modified_time(path) < min(at, timezone.now()) - STRAY_FOR:
                storage.delete(path)
