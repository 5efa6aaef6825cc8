"""Run an OAI-PMH server (oai_repo) in its own process.

oai_repo 0.5.2 never reports that a record is deleted. So the test marks deleted records, and this module
writes the status into their headers before it sends a page.

The command is `python tests/oai_server.py FILE PAGE GRANULARITY`. FILE is a SQLite database with the records,
which the test changes while the server runs. The date of each record is the time in its row.
"""

import os
import sqlite3
import subprocess
import sys
from contextlib import contextmanager
from datetime import UTC, datetime

SECONDS, DAYS = "YYYY-MM-DDThh:mm:ssZ", "YYYY-MM-DD"
PREFIX = "marc21"
START = datetime(2020, 1, 1, tzinfo=UTC)
NAMESPACE = "http://www.loc.gov/MARC21/slim"


class OaiServer:
    """A running OAI-PMH server. `database` has its records, and `address` is its OAI_URL."""

    def __init__(self, database, *, page=10, granularity=SECONDS):
        self.database, self.page, self.granularity = str(database), page, granularity
        self.process = None
        self.port = 0
        with self._rows() as rows:
            rows.execute(
                "CREATE TABLE IF NOT EXISTS record (identifier TEXT PRIMARY KEY, stamp TEXT, deleted INT, "
                "sets TEXT, xml TEXT)"
            )

    def start(self):
        arguments = [
            sys.executable,
            __file__,
            self.database,
            str(self.page),
            self.granularity,
            str(self.port),
        ]
        self.process = subprocess.Popen(arguments, env=os.environ.copy(), stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline().strip()
        assert line, "the OAI-PMH server did not start"
        self.port = int(line)

    def kill(self):
        """Kill the server, whatever it is doing."""
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.process = None

    def put(self, records, *, at, sets=""):
        """Add or replace records. `records` is {identifier: MARCXML}."""
        with self._rows() as rows:
            rows.executemany(
                "INSERT OR REPLACE INTO record VALUES (?, ?, 0, ?, ?)",
                [(identifier, _stamp(at), sets, xml) for identifier, xml in records.items()],
            )

    def delete(self, *identifiers, at):
        """Mark records as deleted."""
        with self._rows() as rows:
            rows.executemany(
                "UPDATE record SET deleted = 1, stamp = ? WHERE identifier = ?",
                [(_stamp(at), identifier) for identifier in identifiers],
            )

    def lose(self, *identifiers):
        """Remove records without marking them as deleted."""
        with self._rows() as rows:
            rows.executemany("DELETE FROM record WHERE identifier = ?", [(each,) for each in identifiers])

    def every(self):
        """Return the identifiers of all records, including the deleted ones."""
        with self._rows() as rows:
            return [identifier for (identifier,) in rows.execute("SELECT identifier FROM record")]

    def current(self):
        """Return {identifier: MARCXML} for the records that are not deleted."""
        with self._rows() as rows:
            return dict(rows.execute("SELECT identifier, xml FROM record WHERE deleted = 0"))

    @contextmanager
    def _rows(self):
        connection = sqlite3.connect(self.database)
        try:
            with connection:
                yield connection
        finally:
            connection.close()


@contextmanager
def running(database, **options):
    """Start a server, yield the OaiServer, and end it."""
    server = OaiServer(database, **options)
    server.start()
    try:
        yield server
    finally:
        if server.process:
            server.kill()


def _stamp(at):
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def serve(database, page, granularity, port):
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
    from urllib.parse import parse_qsl, urlsplit

    import oai_repo
    from lxml import etree

    def query(sql, *values):
        connection = sqlite3.connect(database)
        try:
            return connection.execute(sql, values).fetchall()
        finally:
            connection.close()

    class Data(oai_repo.DataInterface):
        limit = page

        def get_identify(self):
            about = oai_repo.Identify()
            about.repository_name, about.base_url = "Town library", "http://127.0.0.1/oai"
            about.admin_email, about.deleted_record = ["it@library.example"], "persistent"
            about.granularity, about.earliest_datestamp = granularity, shown(_stamp(START))
            return about

        def is_valid_identifier(self, identifier):
            return bool(query("SELECT 1 FROM record WHERE identifier = ?", identifier))

        def get_metadata_formats(self, identifier=None):
            schema = "http://www.loc.gov/standards/marcxml/schema/MARC21slim.xsd"
            return [oai_repo.MetadataFormat(PREFIX, schema, NAMESPACE)]

        def get_record_header(self, identifier):
            [(stamp, deleted, sets)] = query(
                "SELECT stamp, deleted, sets FROM record WHERE identifier = ?", identifier
            )
            header = oai_repo.RecordHeader()
            header.identifier, header.datestamp = identifier, shown(stamp)
            header.setspecs, header.status = sets.split(), "deleted" if deleted else None
            return header

        def get_record_metadata(self, identifier, metadataprefix):
            [(deleted, xml)] = query("SELECT deleted, xml FROM record WHERE identifier = ?", identifier)
            record = etree.fromstring(xml)
            record.set("deleted", "yes") if deleted else None
            return record

        def get_record_abouts(self, identifier):
            return []

        def list_set_specs(self, identifier=None, cursor=0):
            sets = sorted(
                {name for (names,) in query("SELECT DISTINCT sets FROM record") for name in names.split()}
            )
            return sets[cursor : cursor + self.limit], len(sets), None

        def get_set(self, setspec):
            return oai_repo.Set(setspec, setspec, [])

        def list_identifiers(
            self, metadataprefix, filter_from=None, filter_until=None, filter_set=None, cursor=0
        ):
            where = "stamp >= ? AND stamp <= ? AND (? = '' OR ' ' || sets || ' ' LIKE ?)"
            begin, end = _stamp(filter_from or START), _stamp(filter_until) if filter_until else "9"
            values = begin, end, filter_set or "", f"% {filter_set} %"
            [(size,)] = query(f"SELECT count(*) FROM record WHERE {where}", *values)
            found = query(
                f"SELECT identifier FROM record WHERE {where} ORDER BY stamp, identifier LIMIT ? OFFSET ?",
                *values,
                self.limit,
                cursor,
            )
            return [identifier for (identifier,) in found], size, None

    def shown(stamp):
        return stamp if granularity == SECONDS else stamp[:10]

    def with_status(content):
        page = etree.fromstring(content)
        for marked in page.findall(".//*[@deleted]"):
            metadata = marked.getparent()
            metadata.getprevious().set("status", "deleted")
            metadata.getparent().remove(metadata)
        return etree.tostring(page, xml_declaration=True, encoding="utf-8")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            answer = oai_repo.OAIRepository(Data()).process(dict(parse_qsl(urlsplit(self.path).query)))
            content = with_status(bytes(answer))
            self.send_response(200)
            self.send_header("Content-Type", "text/xml")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            """Print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    print(server.server_port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4]))
