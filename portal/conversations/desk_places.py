"""The position of a conversation in a list of the desk."""

import datetime
from dataclasses import dataclass

EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


@dataclass(frozen=True)
class Place:
    """The position of a conversation in a list.

    The position stays valid if the conversation leaves the list. `turn` is the index of the conversation's
    status in the `statuses` of the list. `value` is the value of the field that the list's `column` names.
    """

    turn: int
    value: datetime.datetime | datetime.date
    pk: int

    @classmethod
    def of(cls, conversation, desk_list):
        """Return the position of the conversation in `desk_list`, which must contain the conversation."""
        return cls(
            desk_list.statuses.index(conversation.status),
            getattr(conversation, desk_list.column),
            conversation.id,
        )

    @classmethod
    def read(cls, text, desk_list):
        """Parse the text that __str__ made, and return the position. Return None if the text isn't valid."""
        try:
            turn, value, pk = (int(part) for part in text.split("."))
            moment = EPOCH + datetime.timedelta(microseconds=value)
            if turn < 0 or not 0 <= pk < 2**63:
                return None
            return cls(turn, moment.date() if desk_list.column == "snoozed_until" else moment, pk)
        except (ValueError, OverflowError):
            return None

    def __str__(self):
        return f"{self.turn}.{(self._moment() - EPOCH) // datetime.timedelta(microseconds=1)}.{self.pk}"

    def key(self, desk_list):
        """Return the sort key that puts positions in the order of this list."""
        moment = self._moment()
        if desk_list.latest_first:
            return self.turn, EPOCH - moment, -self.pk
        return self.turn, moment - EPOCH, self.pk

    def _moment(self):
        """Return the value as a time. If the value is a day, return the time when that day begins in UTC."""
        if isinstance(self.value, datetime.datetime):
            return self.value
        return datetime.datetime.combine(self.value, datetime.time(), datetime.UTC)
