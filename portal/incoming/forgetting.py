"""Delete emails to conversations that were erased, and old counts of dropped emails."""

from datetime import timedelta

from .models import DroppedEmails, IncomingEmail

NOT_MATCHED_FOR = timedelta(days=30)
COUNTS_FOR = timedelta(days=90)


def forget_emails_to(sender, conversation, **kwargs):
    """Delete the emails to the erased conversation that are waiting for staff.

    This function receives the signal `conversation_erased`. The originals of the conversation's messages are
    deleted with the messages.
    """
    IncomingEmail.objects.filter(conversation=conversation).delete()


def forget_dropped_emails(*, at):
    """Delete old counts of dropped emails. The worker runs this job."""
    DroppedEmails.objects.filter(day__lt=(at - COUNTS_FOR).date()).delete()
