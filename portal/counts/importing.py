"""Count the rows of imported desk logs. Each import has separate rows in the tables, so it can be undone."""

from collections import defaultdict

from portal.prepared import insert_all

from .counting import month_of
from .models import (
    DayCount,
    GroupCount,
    HourTotal,
    LanguageCount,
    LevelTotal,
    ModeTotal,
    OwnCount,
    PointTotal,
    TopicCount,
    TypeTotal,
)

COLUMNS = {
    DayCount: (
        *("happened_on", "hour", "branch_id", "service_point_id", "mode", "question_type", "read_level"),
        *("is_tally", "tally_kind_id"),
    ),
    PointTotal: ("month", "branch_id", "service_point_id"),
    ModeTotal: ("month", "branch_id", "mode"),
    TypeTotal: ("month", "branch_id", "question_type"),
    LevelTotal: ("month", "branch_id", "read_level"),
    HourTotal: ("month", "branch_id", "hour", "weekday"),
    TopicCount: ("month", "branch_id", "topic_id"),
    GroupCount: ("month", "branch_id", "patron_group_id"),
    LanguageCount: ("month", "branch_id", "language"),
    OwnCount: ("month", "branch_id", "own_value_id"),
}


class Counted:
    """The sums of imported rows. `tables` is {table: {key: [contacts, minutes, estimated minutes]}}."""

    def __init__(self):
        self.tables: dict = {table: defaultdict(lambda: [0, 0, 0]) for table in COLUMNS}

    def add(self, contact):
        """Count a Contact of portal/imports/desk_logs/rows.py."""
        numbers = 1, contact.minutes or 0, (contact.minutes or 0) if contact.band else 0
        self._add(
            contact,
            contact.hour,
            contact.branch,
            contact.service_point,
            contact.day,
            contact.topic,
            contact.patron_group,
            contact.own_values,
            numbers,
        )

    def take_out(self, session, sealed, *, is_band):
        """Subtract a row that was replaced.

        `session` is the HelpSession of the row. `sealed` has the values that were stored encrypted: [hour,
        service point, patron group, *values of the library's own fields].
        """
        hour, point, group, *own = sealed
        minutes = session.minutes or 0
        numbers = -1, -minutes, -minutes if is_band else 0
        self._add(
            session,
            hour,
            session.branch_id,
            point,
            session.happened_on,
            session.topic_id,
            group,
            own,
            numbers,
        )

    def _add(self, row, hour, branch, point, day, topic, group, own, numbers):
        month = month_of(day)
        kind = (branch, point, row.mode, row.question_type, row.read_level, False, None)
        by_key = (
            (DayCount, (day, hour, *kind)),
            (PointTotal, (month, branch, point)),
            (ModeTotal, (month, branch, row.mode)),
            (TypeTotal, (month, branch, row.question_type)),
            (LevelTotal, (month, branch, row.read_level)),
            (HourTotal, (month, branch, hour, day.weekday())),
            (TopicCount, (month, branch, topic)),
            (GroupCount, (month, branch, group)),
            (LanguageCount, (month, branch, "")),
            *((OwnCount, (month, branch, value)) for value in own),
        )
        for table, key in by_key:
            sums = self.tables[table][key]
            for place, number in enumerate(numbers):
                sums[place] += number


def add_counts(counted, log_import):
    """Write the counts as rows of this import.

    Each batch of an import writes new rows, so several rows can have the same key, and a figure is their sum.
    The numbers of a row are negative if the batch replaced more contacts than it added.
    """
    for table, sums in counted.tables.items():
        columns = COLUMNS[table]
        common = table(is_final=True, log_import=log_import, handed_over=0, check_ins=0)
        has_questions = "questions" in table.NUMBERS
        insert_all(
            common,
            [
                {
                    "contacts": contacts,
                    "minutes": minutes,
                    "estimated_minutes": estimated,
                    # A log doesn't say how many questions a contact had, so count one question for each
                    # contact.
                    **({"questions": contacts} if has_questions else {}),
                    **dict(zip(columns, key, strict=True)),
                }
                for key, (contacts, minutes, estimated) in sums.items()
                if contacts or minutes or estimated
            ],
        )
