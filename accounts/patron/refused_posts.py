"""What someone typed into a form that was refused because their sign-in or the form had expired."""

from django.db import transaction

from portal.text import clean

from ..models import RefusedPost

REFUSED_POSTS_EACH = 20


@transaction.atomic
def keep_refused_post(person, *, path, fields, at):
    """Hold what somebody had written when their sign-in or form had run out. The oldest make room."""
    fields = {
        clean(name): [clean(value, multiline=True) for value in values] for name, values in fields.items()
    }  # no database takes a NUL, even in JSON
    kept = RefusedPost.objects.create(person=person, path=path, fields=fields, refused_at=at)
    newest = (
        RefusedPost.objects.filter(person=person)
        .order_by("-refused_at", "-pk")
        .values_list("pk", flat=True)[:REFUSED_POSTS_EACH]
    )
    RefusedPost.objects.filter(person=person).exclude(pk__in=list(newest)).delete()
    return kept


def drop_refused_post(person, public_id):
    """It was sent after all, or is not wanted any more."""
    RefusedPost.objects.filter(person=person, public_id=public_id).delete()


def forget_refused_posts(*, at):
    """For the worker: what was not taken up in time."""
    RefusedPost.objects.filter(refused_at__lte=at - RefusedPost.KEPT_FOR).delete()
