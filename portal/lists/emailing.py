"""Email a list to its owner."""

from django.db import transaction

from portal import once
from portal.notifications.writing import notify

from .details import fetch_places
from .models import SavedItem

# During this time, a form that is sent again (for example by a double tap) sends no second email.
SAME_FORM_SECONDS = 24 * 60 * 60


@transaction.atomic
def email_list(saved_list, viewer, *, to, token, at):
    """Write an email with the titles and call numbers of the viewer's list to the outbox.

    Nothing is written if the form with this token has already sent the list. The caller checks that `to` is
    the viewer's confirmed address. The text is deleted from the outbox when the email is delivered.
    """
    person = viewer.person
    if not once.claim("email_list", person.pk, saved_list.pk, token, seconds=SAME_FORM_SECONDS):
        return
    rows = SavedItem.objects.belonging_to(viewer).filter(saved_list=saved_list)
    saved_items = list(rows.select_related("item").in_order())
    fetch_places(saved_items)
    items = [saved.shown for saved in saved_items]
    notify(
        "lists/list",
        to=to,
        at=at,
        recipient=person,
        language=person.language,
        context={"list": saved_list, "items": items},
        blank=True,
    )
