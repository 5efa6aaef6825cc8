"""The signal that tells apps in higher layers that a conversation was erased."""

from django.dispatch import Signal

# Sent with the argument `conversation` when a conversation is erased. Receivers run in the transaction of the
# erasure, while the conversation's row is locked. The row stays in the database.
conversation_erased = Signal()
