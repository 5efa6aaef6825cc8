"""The emails that could not be matched to a conversation with certainty, for the staff who may see them."""

from dataclasses import dataclass

from django.utils.translation import gettext as _

from accounts.sign_in.email_addresses import confirmed_address
from portal.conversations.models import Conversation
from portal.desk.people import find
from portal.incoming.models import IncomingEmail
from portal.signed_addresses import is_configured

Reason = IncomingEmail.Reason


def count_not_matched(user):
    """Count the emails that were not matched. If no reply addresses are set up, return 0 without a query."""
    return IncomingEmail.objects.not_matched_for(user).count() if is_configured() else 0


@dataclass(frozen=True)
class Addressee:
    """The conversation and the patron that belong to the reply address of an email."""

    conversation: Conversation
    # Whether the staff member may open the conversation's page.
    may_open: bool
    patron_name: str
    # The confirmed address of the patron, or "".
    confirmed: str
    # Whether the email came from the patron's confirmed address.
    is_same: bool


def addressee_of(email, user):
    """Return the Addressee of an email, or None if its conversation or its person is unknown."""
    if email.conversation is None or email.person is None:
        return None
    confirmed = confirmed_address(email.person)
    return Addressee(
        conversation=email.conversation,
        may_open=Conversation.objects.at_desk_of(user).filter(pk=email.conversation_id).exists(),
        patron_name=email.person.display_name,
        confirmed=confirmed,
        is_same=email.sender == confirmed,
    )


def masked_sender(email):
    """Return the sender's address with most letters hidden, or a text for an unknown sender."""
    return find.masked(email.sender) or _("sender not known")


def advice(email):
    """Return a text that says what staff can do with the email. It depends on why it was not matched."""
    return {
        Reason.NO_ADDRESS: _("You can answer the email from your own mail program, or delete the email."),
        Reason.EXPIRED: _(
            "A reply address works for 90 days. You can add the email to its conversation, or delete it."
        ),
        Reason.OTHER_SENDER: _(
            "Perhaps the patron has a second address, or somebody else wrote to this reply address. Ask the "
            "patron before you add the email to the conversation."
        ),
        Reason.NOT_CONFIRMED: _(
            "Nobody has confirmed that this address is the patron's. Ask the patron before you add the email "
            "to the conversation."
        ),
        Reason.NO_ACCESS: _(
            "The patron no longer has this conversation in their account, so the email can't be added to it."
        ),
        Reason.UNREADABLE: _("Download the original email and open it in your mail program."),
        Reason.EMPTY: _("Look at the original email. Perhaps the text is in a file."),
        Reason.TOO_LARGE: _("Ask the patron to write without the files, or to bring them to the library."),
    }.get(email.reason, "")
