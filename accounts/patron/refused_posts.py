"""Save and delete forms that were refused because the sign-in or the form had expired.

The author of a saved form can send it again.
"""

from django.db import transaction
from django.db.models import Q

from portal.text import clean

from ..models import RefusedPost

# The limit for one person on all devices, and for one browser.
MAX_SAVED = 20


@transaction.atomic
def save_refused_post(person, *, path, fields, at, browser="", at_once=False):
    """Save the refused form for its author.

    `person` is None if the author is unknown. RefusedPost explains `browser` and `at_once`. If the author or
    the browser has more than MAX_SAVED saved forms, delete the oldest.
    """
    # clean() removes NUL characters, because databases don't accept them, not even in JSON.
    fields = {
        clean(name): [clean(value, multiline=True) for value in values] for name, values in fields.items()
    }
    saved = RefusedPost.objects.create(
        person=person, browser=browser, at_once=at_once, path=path, fields=fields, refused_at=at
    )
    owner = {"person": person} if person else {"browser": browser}
    theirs = RefusedPost.objects.filter(**owner)
    newest = theirs.order_by("-refused_at", "-pk").values_list("pk", flat=True)[:MAX_SAVED]
    theirs.exclude(pk__in=list(newest)).delete()
    return saved


def claim_refused_post(post):
    """Delete the refused form, and return whether this call deleted it. Only one of several calls can."""
    return bool(RefusedPost.objects.filter(pk=post.pk).delete()[0])


def drop_refused_post(person, public_id, *, browser=""):
    """Delete a refused form, because its author sent it again or discarded it."""
    theirs = Q(person=person)
    if browser:
        theirs |= Q(person=None, browser=browser)
    RefusedPost.objects.filter(theirs, public_id=public_id).delete()


def drop_refused_posts_in(browser):
    """Delete all refused forms that wait in this browser, because the person signs out or leaves."""
    RefusedPost.objects.filter(browser=browser).delete()


def forget_about(public_ids):
    """Delete all refused forms that name one of these rows, in the address or in a field.

    Refused forms are deleted after 30 minutes, so there are only a few to look through.
    """
    names = {str(public_id) for public_id in public_ids}
    about = [
        post.pk
        for post in RefusedPost.objects.iterator()
        if any(name in post.path or any(name in value for _, value in post.pairs) for name in names)
    ]
    RefusedPost.objects.filter(pk__in=about).delete()


def forget_refused_posts(*, at):
    """Delete refused forms that are older than KEPT_FOR. The worker calls this function."""
    RefusedPost.objects.filter(refused_at__lte=at - RefusedPost.KEPT_FOR).delete()
