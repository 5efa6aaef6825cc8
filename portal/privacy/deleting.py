"""Delete a help session that staff recorded by mistake, unless a patron has already used the visit."""

from django.db import models, transaction
from django.utils.translation import gettext_lazy as _

from accounts import audit
from accounts.staff_actions import staff_action
from portal.conversations.changes import Erased, lock_conversation, save
from portal.conversations.models import Conversation
from portal.helpsessions import handover, push
from portal.helpsessions.models import ClaimCode
from recommendations.models import Recommendation

from . import erased_list
from .holds import HeldByLaw, held
from .models import Correction
from .session_lock import lock_session


class Why(models.TextChoices):
    """Why staff can't delete a help session. The labels are for the page that asks before deleting."""

    KEPT = "kept", _("The visit is or was in a patron's account.")
    WRITTEN = "written", _("A conversation about this visit has begun.")
    VERDICT = "verdict", _("The patron has said how an item worked out.")
    ANSWERED = "answered", _("The patron has answered the questions about the visit.")


class MustStay(Exception):
    """The help session can't be deleted, because a patron has used the visit. `why` is a member of Why."""

    def __init__(self, why):
        self.why = why


@staff_action
def delete_session(help_session, *, by, at):
    """Delete the help session with its items, note, codes and history.

    Items in patrons' lists are not deleted.

    Raises Gone, MustStay and HeldByLaw.
    """
    _delete_session(help_session, by, at)


@transaction.atomic
def delete_session_again(help_session, *, at):
    """Delete a help session that a restored backup brought back. Raises Gone, MustStay and HeldByLaw."""
    _delete_session(help_session, None, at)


def _delete_session(help_session, by, at):
    help_session, _conversations = lock_session(help_session)
    if why := why_it_must_stay(help_session):
        raise MustStay(why)
    if held(help_session):
        raise HeldByLaw
    for contact in Conversation.objects.filter(logged_as=help_session).order_by("branch", "pk"):
        _uncount(contact, at)
    handover.withdraw_emails(help_session)
    push.end_for_visits(help_session)
    Recommendation.objects.filter(sessionrecommendation__help_session=help_session).delete()
    # Keep the row of the code. If the patron types the code, the page can say that the visit was deleted.
    ClaimCode.objects.filter(help_session=help_session).update(
        state=ClaimCode.State.FORGOTTEN, help_session=None, made_by=None
    )
    erased_list.remember(erased_list.HELP_SESSION, help_session.public_id)
    audit.record("deleted", help_session, by=by, at=at)
    help_session.delete()


def why_it_must_stay(help_session):
    """Return why the help session can't be deleted, as a Why, or None if it can be deleted.

    This function doesn't check legal holds.
    """
    corrections = Correction.objects.filter(help_session=help_session).values_list("fields", flat=True)
    was_kept = any("patron" in fields for fields in corrections)
    if help_session.patron_id or help_session.shared_with_id or help_session.kept_at or was_kept:
        return Why.KEPT
    if Conversation.objects.filter(help_session=help_session).exists():
        return Why.WRITTEN
    given = Recommendation.objects.filter(sessionrecommendation__help_session=help_session)
    if given.exclude(verdict="").exists():
        return Why.VERDICT
    return Why.ANSWERED if help_session.answered_at else None


def _uncount(conversation, at):
    """Record that the conversation is no longer counted as a contact, so that staff can count it again."""
    try:
        conversation = lock_conversation(conversation, at)
    except Erased:
        return
    conversation.logged_as = None
    save(conversation)
