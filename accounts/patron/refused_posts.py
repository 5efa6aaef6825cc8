"""Forms that were refused because the sign-in or the form had expired. Their authors can send them again."""

from django.db import transaction

from portal.text import clean

from ..models import RefusedPost

MAX_PER_PERSON = 20


@transaction.atomic
def keep_refused_post(person, *, path, fields, at):
    """Save the refused form for its author. Delete their oldest ones above MAX_PER_PERSON."""
    # No database accepts a NUL character, not even in JSON.
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
    """Delete refused forms after 30 minutes. The worker calls this."""
    RefusedPost.objects.filter(refused_at__lte=at - RefusedPost.KEPT_FOR).delete()
