"""Emails that did not reach their recipient, for coordinators of the recipient's branches."""

from datetime import timedelta

from django.db.models import Exists, OuterRef, Q
from django.utils.translation import gettext_lazy as _

from accounts.models import StaffRole
from portal.conversations.models import Conversation, Message
from portal.helpsessions.models import HelpSession
from portal.notifications.models import Notification

# If the worker is still trying to send an email, list the email only after this time. Mail servers often
# refuse the first attempts and ask the worker to try again later.
LATE_AFTER = timedelta(minutes=15)

TITLES = {
    "account/mail": _("Sign-in code, invitation or security notice"),
    "checkins/check_in": _("Question about how a visit turned out"),
    "conversations/answer": _("Answer"),
    "conversations/mention": _("Mention in a note"),
    "conversations/new": _("Notice about the desk"),
    "conversations/next_step": _("News about an item"),
    "conversations/promise_due": _("Notice about the desk"),
    "conversations/reply": _("Notice about the desk"),
    "conversations/promise_moved": _("New day for an answer"),
    "desk/month": _("Figures of a month"),
    "desk/test_email": _("Test email"),
    "notifications/desk_digest": _("Notices about the desk"),
    "notifications/digest": _("Several notices"),
    "helpsessions/hand_over": _("Visit code"),
    "incoming/not_read": _("Notice that an email couldn't be read"),
    "lists/list": _("List of titles"),
    "privacy/corrected": _("Corrected visit"),
    "privacy/erased": _("Receipt for an erased record"),
    "privacy/export_ready": _("Copy ready to download"),
    "privacy/merged": _("Merged records"),
}


def undelivered_at_desk_of(user, *, at):
    """Return the undelivered emails to people of the branches where this coordinator works.

    If an email's address belongs to nobody, the email has no branch. Every coordinator sees such emails.
    """
    person = OuterRef("recipient")
    mine = (
        Exists(HelpSession.objects.at_desk_of(user, covering=False).filter(patron=person))
        | Exists(HelpSession.objects.at_desk_of(user, covering=False).filter(shared_with=person))
        | Exists(Conversation.objects.at_desk_of(user, covering=False).filter(patron=person))
        | Exists(StaffRole.objects.filter(branch__in=user.desk_branch_ids, user=person))
    )
    is_late = Q(decided_at=None, created_at__lte=at - LATE_AFTER) | Q(decided_at__lte=at - LATE_AFTER)
    failing = Q(is_late, state=Notification.State.WAITING) & ~Q(last_error="")
    failed = Notification.objects.with_address_off().filter(Q(state=Notification.State.DEAD) | failing)
    return failed.filter(Q(recipient=None) | mine)


def can_send_again(email, *, at):
    """Return whether `portal.notifications.actions.send_again` would send this email."""
    is_dead = email.state == Notification.State.DEAD
    has_ended = email.ends_at is not None and email.ends_at <= at
    return is_dead and not (email.blanked or has_ended) and bool(email.to_address)


def conversation_of(email, user):
    """Return the conversation with the answer that this email announces to the patron, or None."""
    answers = Message.objects.filter(mail_id=email.message_id.replace("<shared.", "<"))
    return Conversation.objects.at_desk_of(user).filter(pk__in=answers.values("conversation")).first()
