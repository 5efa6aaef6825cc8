"""Save and delete forms that were refused because the sign-in or the form had expired.

The author of a saved form can send it again.
"""

from django.db import transaction

from portal.text import clean

from ..models import RefusedPost

MAX_PER_PERSON = 20


@transaction.atomic
def keep_refused_post(person, *, path, fields, at):
    """Save the refused form for its author.

    If the author has more than MAX_PER_PERSON saved forms, delete the oldest.
    """
    # clean() removes NUL characters, because databases don't accept them, not even in JSON.
    fields = {
        clean(name): [clean(value, multiline=True) for value in values] for name, values in fields.items()
    }
    kept = RefusedPost.objects.create(person=person, path=path, fields=fields, refused_at=at)
    newest = (
        RefusedPost.objects.filter(person=person)
        .order_by("-refused_at", "-pk")
        .values_list("pk", flat=True)[:MAX_PER_PERSON]
    )
    RefusedPost.objects.filter(person=person).exclude(pk__in=list(newest)).delete()
    return kept


def drop_refused_post(person, public_id):
    """Delete a refused form, because its author sent it again or discarded it."""
    RefusedPost.objects.filter(person=person, public_id=public_id).delete()


def forget_refused_posts(*, at):
    """Delete refused forms that are older than KEPT_FOR. The worker calls this function."""
    RefusedPost.objects.filter(refused_at__lte=at - RefusedPost.KEPT_FOR).delete()
