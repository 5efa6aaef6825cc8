"""Find the conversation that an email belongs to, and decide whether the email must wait for staff."""

from dataclasses import dataclass

from accounts.models import User
from accounts.sign_in.email_addresses import confirmed_address
from portal.conversations.models import Conversation
from portal.conversations.reply_addresses import read_address
from portal.conversations.viewer import BrowserViewer

from .models import IncomingEmail

Reason = IncomingEmail.Reason


@dataclass(frozen=True)
class Match:
    """The conversation and the person of an email.

    `reason` is the Reason why the email must wait for staff, or "" if it is added to the conversation.
    `address` is the conversation's reply address that the email was sent to, in lowercase, or "".
    """

    reason: str
    conversation: Conversation | None = None
    person: User | None = None
    address: str = ""


def match(recipients, sender, *, at):
    """Return the Match for an email from the address `sender` to these addresses."""
    read = ((address.strip().lower(), read_address(address, at=at)) for address in recipients)
    address, found = next((pair for pair in read if pair[1]), ("", None))
    if found is None:
        return Match(Reason.NO_ADDRESS)
    conversation, person = found.conversation, found.person
    # A quiet visit must not be linked to a name, so nothing from an email about a quiet visit may be stored.
    if conversation is None or person is None or _is_quiet(conversation):
        return Match(Reason.ERASED)
    if not may_write(person, conversation):
        return Match(Reason.NO_ACCESS, conversation, person, address)
    return Match(_reason(person, sender, found.is_expired), conversation, person, address)


def may_write(person, conversation):
    """Return whether this person can open the conversation as a patron, without a code."""
    viewer = BrowserViewer(person, ())
    return person.is_active and Conversation.objects.belonging_to(viewer).filter(pk=conversation.pk).exists()


def _is_quiet(conversation):
    return conversation.help_session is not None and conversation.help_session.quiet


def _reason(person, sender, is_expired):
    if sender != person.email:
        return Reason.OTHER_SENDER
    if not confirmed_address(person):
        return Reason.NOT_CONFIRMED
    return Reason.EXPIRED if is_expired else ""
