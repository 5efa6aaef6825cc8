"""A ledger of everything that a library did in a year, from which plain SQL computes every figure.

The history writes each contact into the ledger when it happens, and changes the ledger when staff correct or
delete a contact. No code of the portal writes or reads the ledger. Forgetting, erasing and merging must not
change a figure, so they don't change the ledger.
"""

from django.db import connection

# A contact. Imported rows have negative ids. `source` is the import that added the row. `replaced_by` is
# the import that replaced the row. `weekday` is 0 on Mondays.
CONTACT = {
    **{"id": "bigint", "source": "varchar(40)", "replaced_by": "varchar(40)", "day": "varchar(10)"},
    **{"weekday": "int", "hour": "int", "branch": "bigint", "point": "bigint", "mode": "varchar(12)"},
    **{"question_type": "varchar(20)", "read_level": "int", "is_tally": "int", "kind": "bigint"},
    **{"minutes": "int", "questions": "int", "topic": "bigint", "patron_group": "bigint"},
    **{"language": "varchar(12)", "quiet": "int", "child": "int", "handed": "int", "staff": "bigint"},
}
TABLES = {
    "year_contact": CONTACT,
    "year_own": {"contact": "bigint", "field": "bigint", "value": "bigint"},
    "year_check_in": {"id": "bigint", "contact": "bigint"},
    # The times in `year_answer` and in `year_opening` are in seconds.
    "year_answer": {
        **{"conversation": "bigint", "branch": "bigint", "month": "varchar(7)"},
        **{"asked": "bigint", "answered": "bigint"},
    },
    "year_opening": {"branch": "bigint", "opens": "bigint", "closes": "bigint"},
    "year_band": {"up_to": "int"},
    "year_rules": {"survey": "varchar(8)", "starts": "varchar(10)", "counts_questions": "int"},
    "year_rule": {
        **{"survey": "varchar(8)", "starts": "varchar(10)", "question_type": "varchar(20)"},
        **{"mode": "varchar(12)", "counts_as": "varchar(12)"},
    },
    "year_tally_rule": {
        **{"survey": "varchar(8)", "starts": "varchar(10)", "kind": "bigint", "counts_as": "varchar(12)"}
    },
}
# COUNTED finds all contacts that count. DESCRIBED leaves out tallies, quiet sessions and visits with a child.
COUNTED = "FROM year_contact c WHERE c.replaced_by = ''"
DESCRIBED = f"{COUNTED} AND c.is_tally = 0 AND c.quiet = 0 AND c.child = 0"
NUMBERS = """COUNT(*), COALESCE(SUM(c.minutes), 0), SUM(c.handed),
    SUM((SELECT COUNT(*) FROM year_check_in i WHERE i.contact = c.id))"""
# {breakdown: the SQL of its key}. In the breakdowns by question type and by READ level, all tallies share one
# key.
KEYS = {
    "branch": "c.branch",
    "service_point": "c.point",
    "mode": "c.mode",
    "question_type": "CASE WHEN c.is_tally = 1 THEN 'tally' ELSE c.question_type END",
    "read_level": "CASE WHEN c.is_tally = 1 THEN -1 ELSE c.read_level END",
    "tally_kind": "CASE WHEN c.is_tally = 1 THEN c.kind ELSE -1 END",
    "hour": "c.hour",
    "weekday": "c.weekday",
    "day": "c.day",
    "month": "substr(c.day, 1, 7)",
    "topic": "c.topic",
    "patron_group": "c.patron_group",
    "language": "c.language",
}


class Ledger:
    """The tables of the ledger. They are temporary, and disappear when the transaction of the test ends."""

    def __init__(self):
        with connection.cursor() as cursor:
            for table, columns in TABLES.items():
                cursor.execute(f"DROP TABLE IF EXISTS {table}")
                text = ", ".join(f"{name} {kind}" for name, kind in columns.items())
                cursor.execute(f"CREATE TEMPORARY TABLE {table} ({text})")

    # Methods that write to the ledger.

    def run(self, sql, *values):
        with connection.cursor() as cursor:
            cursor.execute(sql, values)
            return cursor.fetchall() if cursor.description else cursor.rowcount

    def insert(self, table, **columns):
        marks = ", ".join(["%s"] * len(columns))
        self.run(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})", *columns.values())

    def add(self, contact, own=None, **columns):
        """Add a contact. `own` is {primary key of an own field: primary key of a value}."""
        given = {"source": "", "replaced_by": "", "is_tally": 0, "questions": 1, "quiet": 0, "child": 0}
        given |= {"handed": 0, "language": "en"} | self._of_day(columns) | columns
        self.insert("year_contact", id=contact, **given)
        self.set_own(contact, own or {})

    def change(self, contact, own=None, **columns):
        columns |= self._of_day(columns)
        changes = "".join(f", {name} = %s" for name in columns)
        sql = f"UPDATE year_contact SET id = id{changes} WHERE id = %s"
        assert self.run(sql, *columns.values(), contact) == 1
        if own is not None:
            self.set_own(contact, own)

    def renumber(self, contact, new):
        self.run("UPDATE year_contact SET id = %s WHERE id = %s", new, contact)
        self.run("UPDATE year_own SET contact = %s WHERE contact = %s", new, contact)

    def remove(self, contact):
        assert self.run("DELETE FROM year_contact WHERE id = %s", contact) == 1
        self.run("DELETE FROM year_own WHERE contact = %s", contact)

    def set_own(self, contact, own):
        self.run("DELETE FROM year_own WHERE contact = %s", contact)
        for field, value in own.items():
            self.insert("year_own", contact=contact, field=field, value=value)

    def undo_import(self, source):
        self.run("DELETE FROM year_contact WHERE source = %s", source)
        self.run("UPDATE year_contact SET replaced_by = '' WHERE replaced_by = %s", source)

    def note_check_ins(self):
        """Copy the sent check-ins into the ledger, because the portal can delete their rows later."""
        self.run(
            """
            INSERT INTO year_check_in (id, contact)
            SELECT id, help_session_id FROM checkins_checkin
            WHERE asked_at IS NOT NULL AND id NOT IN (SELECT id FROM year_check_in)
            """
        )

    @staticmethod
    def _of_day(columns):
        day = columns.get("day")
        return {"day": day.isoformat(), "weekday": day.weekday()} if day else {}

    # Methods that read the ledger.

    def contacts(self, first, last, branches, *keys):
        """Group the contacts by `keys`. Return {group: (contacts, minutes, handed over, check-ins)}.

        `keys` are names in KEYS. A group is a tuple with a value for each of these keys. If there is only one
        key, the group is its value.
        """
        return self._grouped(NUMBERS, COUNTED, first, last, branches, keys)

    def hours_and_weekdays(self, first, last, branches):
        found = self._grouped("COUNT(*)", COUNTED, first, last, branches, ("hour", "weekday"))
        return {keys: number for keys, (number,) in found.items()}

    def described(self, first, last, branches, *keys):
        """Group the contacts by `keys`, as `contacts` does. Return {group: number of contacts}.

        Leave out quiet sessions, visits with a child and tallies.
        """
        found = self._grouped("COUNT(*)", DESCRIBED, first, last, branches, keys)
        return {key: number for key, (number,) in found.items()}

    def own(self, first, last, branches, field):
        """Return {value: contacts} of one of the library's own fields."""
        rows = self.run(
            f"""
            SELECT o.value, COUNT(*) {DESCRIBED.replace("WHERE", "JOIN year_own o ON o.contact = c.id WHERE")}
                AND o.field = %s AND {self._where(branches)} GROUP BY 1
            """,
            field,
            first.isoformat(),
            last.isoformat(),
        )
        return dict(rows)

    def recorded(self, first, last, branches):
        """Return the number of contacts that are not tallies."""
        sql = f"SELECT COUNT(*) {COUNTED} AND c.is_tally = 0 AND {self._where(branches)}"
        return self.run(sql, first.isoformat(), last.isoformat())[0][0]

    def by_staff(self, first, last, branches):
        """Return {staff member: (contacts, minutes)}."""
        rows = self.run(
            f"""
            SELECT c.staff, COUNT(*), COALESCE(SUM(c.minutes), 0) {COUNTED} AND c.staff IS NOT NULL
                AND {self._where(branches)} GROUP BY 1
            """,
            first.isoformat(),
            last.isoformat(),
        )
        return {staff: tuple(map(int, numbers)) for staff, *numbers in rows}

    def waits(self, first, last, branches):
        """Return [(branch, seconds)], with a tuple for each first answer, the shortest wait first.

        The seconds are the time that the patron waited while the branch was open.
        """
        rows = self.run(
            f"""
            SELECT a.branch, SUM(CASE WHEN o.branch IS NULL THEN 0 ELSE
                CASE WHEN o.closes < a.answered THEN o.closes ELSE a.answered END
                - CASE WHEN o.opens > a.asked THEN o.opens ELSE a.asked END
            END) AS waited
            FROM year_answer a LEFT JOIN year_opening o
                ON o.branch = a.branch AND o.opens < a.answered AND o.closes > a.asked
            WHERE a.month BETWEEN %s AND %s AND a.branch IN ({_list(branches)})
            GROUP BY a.conversation, a.branch ORDER BY waited
            """,
            f"{first:%Y-%m}",
            f"{last:%Y-%m}",
        )
        return [(branch, int(waited)) for branch, waited in rows]

    def band_of(self, seconds):
        """Return the upper limit, in minutes, of the shortest band that includes `seconds`, or None."""
        return self.run("SELECT MIN(up_to) FROM year_band WHERE up_to * 60 >= %s", seconds)[0][0]

    def for_survey(self, survey, first, last, days=None):
        """Return {counts as: number} by the rules that were in force on the day of each contact."""
        of_days = "" if days is None else f"AND c.day IN ({', '.join(repr(str(day)) for day in days)})"
        rows = self.run(
            f"""
            SELECT CASE WHEN c.is_tally = 1
                THEN COALESCE(
                    (SELECT t.counts_as FROM year_tally_rule t
                     WHERE t.survey = r.survey AND t.starts = r.starts AND t.kind = c.kind),
                    (SELECT t.counts_as FROM year_tally_rule t
                     WHERE t.survey = r.survey AND t.starts = r.starts AND t.kind = 0))
                ELSE COALESCE(
                    (SELECT t.counts_as FROM year_rule t WHERE t.survey = r.survey AND t.starts = r.starts
                     AND t.question_type = c.question_type AND t.mode = c.mode),
                    (SELECT t.counts_as FROM year_rule t WHERE t.survey = r.survey AND t.starts = r.starts
                     AND t.question_type = c.question_type AND t.mode = ''))
                END AS counts_as,
                SUM(CASE WHEN r.counts_questions = 1 THEN c.questions ELSE 1 END)
            FROM year_contact c JOIN year_rules r ON r.survey = %s AND r.starts = (
                SELECT MAX(n.starts) FROM year_rules n WHERE n.survey = r.survey AND n.starts <= c.day)
            WHERE c.replaced_by = '' AND c.day BETWEEN %s AND %s {of_days}
            GROUP BY 1
            """,
            survey,
            first.isoformat(),
            last.isoformat(),
        )
        return {counts_as: int(number) for counts_as, number in rows}

    def _grouped(self, numbers, of, first, last, branches, keys):
        columns = ", ".join(KEYS[key] for key in keys)
        places = ", ".join(str(place) for place in range(1, len(keys) + 1))
        rows = self.run(
            f"SELECT {columns}, {numbers} {of} AND {self._where(branches)} GROUP BY {places}",
            first.isoformat(),
            last.isoformat(),
        )
        size = len(keys)
        return {
            (row[0] if size == 1 else row[:size]): tuple(int(number) for number in row[size:]) for row in rows
        }

    @staticmethod
    def _where(branches):
        return f"c.day BETWEEN %s AND %s AND c.branch IN ({_list(branches)})"


def _list(branches):
    return ", ".join(map(str, branches)) or "NULL"
