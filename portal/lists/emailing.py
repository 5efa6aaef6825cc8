"""Email a list to its owner."""

from django.db import transaction

from portal import once
from portal.notifications.writing import notify
from recommendations.holdings import fetch_holdings

from .models import SavedItem

# A form sends the list only once in this time, even after a double tap.
SAME_FORM_SECONDS = 24 * 60 * 60


@transaction.atomic
def email_list(saved_list, viewer, *, to, token, at):
    """Write an email with the titles and call numbers of the viewer's list to the outbox.

    Nothing is written if the form with this token has sent the list before. The caller checks that `to` is
    the viewer's confirmed address. The text is deleted from the outbox once the email is delivered.
    """
    person = viewer.person
    if not once.claim("email_list", person.pk, saved_list.pk, token, seconds=SAME_FORM_SECONDS):
        return
    rows = SavedItem.objects.belonging_to(viewer).filter(saved_list=saved_list)
    items = [saved.shown for saved in rows.select_related("item").in_order()]
    fetch_holdings([item for item in items if item.pk])
    notify(
        "lists/list",
        to=to,
        at=at,
        recipient=person,
        language=person.language,
        context={"list": saved_list, "items": items},
        blank=True,
    )
