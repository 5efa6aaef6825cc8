"""Django's SQLite, which writes a statement as SQLite wants it once, not each time that it runs: of a page with a dozen long statements
that was a fifteenth of its cost."""

from functools import lru_cache

from django.db.backends.sqlite3 import base


class DatabaseWrapper(base.DatabaseWrapper):
    def create_cursor(self, name=None):
        return self.connection.cursor(factory=Cursor)


class Cursor(base.SQLiteCursorWrapper):
    def convert_query(self, query, *, param_names=None):
        return super().convert_query(query, param_names=param_names) if param_names else _converted(query)


@lru_cache(maxsize=500)
def _converted(query):
    return base.FORMAT_QMARK_REGEX.sub("?", query).replace("%%", "%")
