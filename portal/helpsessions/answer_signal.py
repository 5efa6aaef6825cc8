"""The signal that tells apps in higher layers that a patron has answered questions about visits."""

from django.dispatch import Signal

# The signal means that a patron has answered a question about visits, or given a verdict on an item of a
# visit. The arguments are `visits`, a list or queryset of help sessions, and `at`. Send the signal last in
# the transaction, because receivers lock rows.
patron_answered = Signal()
