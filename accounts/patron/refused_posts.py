"""Save and delete forms that were refused because the sign-in or the form had expired.

The author of a saved form can send it again.
"""

from django.db import transaction
from django.db.models import Q

from portal.text import clean

from ..models import RefusedPost

# At most this many refused forms are saved per person. The same limit applies per browser to forms by unknown
# authors.
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
    """Delete the refused form, and return whether this call deleted it.

    Only one of several simultaneous calls returns True.
    """
    return bool(RefusedPost.objects.filter(pk=post.pk).delete()[0])


def drop_refused_post(person, public_id, *, browser=""):
    """Delete a refused form, because the author has sent the form again."""
    _theirs(person, browser).filter(public_id=public_id).delete()


def discard_refused_post(person, public_id, *, at, browser=""):
    """Hide a refused form from its author, and return how long the author can undo this.

    The result is a timedelta, or None if there is no such form. `restore_refused_post` shows the form again.
    """
    post = _theirs(person, browser).filter(public_id=public_id, discarded_at=None).first()
    if post is None or not RefusedPost.objects.filter(pk=post.pk).update(discarded_at=at):
        return None
    return min(RefusedPost.UNDO_FOR, post.refused_at + RefusedPost.KEPT_FOR - at)


def restore_refused_post(person, public_id, *, at, browser=""):
    """Undo `discard_refused_post`. Return False if it is too late."""
    rows = _theirs(person, browser).filter(public_id=public_id, refused_at__gt=at - RefusedPost.KEPT_FOR)
    return bool(rows.filter(discarded_at__gt=at - RefusedPost.UNDO_FOR).update(discarded_at=None))


def _theirs(person, browser):
    """Return the person's refused forms, and the forms that wait in the browser until somebody signs in."""
    theirs = Q(person=person)
    if browser:
        theirs |= Q(person=None, browser=browser)
    return RefusedPost.objects.filter(theirs)


def drop_refused_posts_in(browser):
    """Delete all refused forms that wait in this browser.

    Call this function when the person signs out or removes visits from the browser.
    """
    RefusedPost.objects.filter(browser=browser).delete()


def forget_about(public_ids):
    """Delete all refused forms whose URL or fields contain one of these public ids.

    Refused forms are deleted after 30 minutes, so there are only a few to search.
    """
    names = {str(public_id) for public_id in public_ids}
    about = [
        post.pk
        for post in RefusedPost.objects.iterator()
        if any(name in post.path or any(name in value for _, value in post.pairs) for name in names)
    ]
    RefusedPost.objects.filter(pk__in=about).delete()


def forget_refused_posts(*, at):
    """Delete refused forms that can no longer be sent or restored. The worker calls this function."""
    is_old = Q(refused_at__lte=at - RefusedPost.KEPT_FOR)
    RefusedPost.objects.filter(is_old | Q(discarded_at__lte=at - RefusedPost.UNDO_FOR)).delete()
