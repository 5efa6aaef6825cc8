"""Run test servers in threads: a SIP2 server that can fail on purpose, pysip2's server and a Koha server."""

import base64
import gc
import json
import socketserver
import threading
import warnings
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import anyio
import anyio.from_thread
import pysip2

from accounts.ils.fake import Card
from accounts.ils.sip2_messages import checksum

LOGIN, PASSWORD = "afterword", "let us in"
HEAD = "64{status}00020261125    101112000000000000000000000000"


class Sip2Server:
    """A SIP2 server that can be made to fail.

    `asked` has all received lines, and `connections` counts the connections. A test can set `fault` to a
    function with three arguments: the number of received lines, the last line and the correct response. The
    server sends the bytes that the function returns. If the function returns None, the server sends nothing.
    The function can also raise Hang or HangUp.
    """

    def __init__(self, cards, *, charset="cp850", id_field="", more=lambda card: ""):
        self.cards, self.charset, self.id_field, self.more = cards, charset, id_field, more
        self.asked, self.connections, self.fault = [], 0, None
        self.over = threading.Event()

    def answer(self, line):
        text = line.decode(self.charset, errors="replace")
        said = {
            part[:2]: part[2:]
            for part in text[2 if text[:2] == "99" else 4 if text[:2] == "93" else 33 :].split("|")
        }
        if text.startswith("93"):
            return "941" if (said["CN"], said["CO"]) == (LOGIN, PASSWORD) else "940"
        if text.startswith("99"):
            return "98YYYYYN60000320261125    1011122.00AOharbour|BXYYYYYYYYYYYYYYYY|"
        return self.about(said["AA"], said["AD"])

    def about(self, number, pin):
        card = next((card for card in self.cards if card.card == number), None)
        if card is None:
            return HEAD.format(status="Y" * 4 + " " * 10) + f"AOharbour|AA{number}|AE|BLN|CQN|"
        status = [" "] * 14
        if card.blocked:
            status[4] = "Y"
        fields = [
            ("AO", "harbour"),
            ("AA", card.card),
            ("AE", card.name),
            ("BL", "Y"),
            ("CQ", "Y" if pin == card.pin else "N"),
            ("BE", card.email),
        ]
        fields += [
            ("PC", card.group),
            ("AQ", card.home_branch),
            ("PA", f"{card.expires_on:%Y%m%d}" if card.expires_on else ""),
            ("AF", "Hello|"),
        ]
        fields += [(self.id_field, card.ils_id)] if self.id_field else []
        return (
            HEAD.format(status="".join(status))
            + "".join(f"{name}{value}|" for name, value in fields)
            + self.more(card)
        )

    @contextmanager
    def running(self, tls_context=None):
        """Run the server and yield its port."""
        ours = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                ours.connections += 1
                if tls_context:
                    try:
                        self.request = tls_context.wrap_socket(self.request, server_side=True)
                    except OSError:
                        return
                    self.setup()
                try:
                    ours.talk(self.rfile, self.wfile)
                finally:
                    self.request.close()

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = daemon_threads = True
            request_queue_size = 50
            block_on_close = False

            def handle_error(self, *whose):
                """Ignore clients that disconnect before the response is sent."""

        with Server(("127.0.0.1", 0), Handler) as server:
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
            thread.start()
            try:
                yield server.server_address[1]
            finally:
                self.over.set()
                server.shutdown()
                thread.join()

    def talk(self, came, going):
        last = b""
        try:
            while line := read_line(came):
                self.asked.append(line)
                body, number = (line[:-9], line[-7:-6]) if line[-9:-7] == b"AY" else (line, b"")
                if line.startswith(b"97"):
                    reply = last
                else:
                    if number and checksum(line[:-4]) != line[-4:]:
                        reply = b"96AZFEF6"
                    else:
                        reply = self.answer(body).encode(self.charset)
                        if number:
                            reply += b"AY" + number + b"AZ"
                            reply += checksum(reply)
                    last = reply
                if self.fault:
                    reply = self.fault(len(self.asked), line, reply)
                if reply is not None:
                    going.write(reply + b"\r")
        except (HangUp, OSError):
            pass
        except Hang:
            self.over.wait(30)


class Hang(Exception):
    """A simulated fault: the server sends nothing more but keeps the connection open."""


class HangUp(Exception):
    """A simulated fault: the server closes the connection."""


def read_line(came):
    line = b""
    while (byte := came.read(1)) not in (b"", b"\r"):
        line += byte
    return line.lstrip(b"\n")


@contextmanager
def pysip2_server(cards):
    """Run the server of the pysip2 package, which shares no code with the portal, and yield its port."""
    server = pysip2.SIP2Server(institution_id="harbour", login_required=True, error_detection="required")

    @server.route(pysip2.LOGIN)
    async def login(asked, context):
        return pysip2.LoginResponse(
            ok="1" if (asked.login_user_id, asked.login_password) == (LOGIN, PASSWORD) else "0"
        )

    @server.route(pysip2.PATRON_INFORMATION)
    async def patron_information(asked, context):
        card = next((card for card in cards if card.card == asked.patron_identifier), None)
        return pysip2.PatronInformationResponse(
            patron_status=" " * 4 + ("Y" if card and card.blocked else " ") + " " * 9,
            language=asked.language,
            transaction_date=context.now_18(),
            **dict.fromkeys(
                ["hold_items_count", "overdue_items_count", "charged_items_count", "fine_items_count"], "0000"
            ),
            **dict.fromkeys(["recall_items_count", "unavailable_holds_count"], "0000"),
            institution_id="harbour",
            patron_identifier=asked.patron_identifier,
            personal_name=card.name if card else "",
            valid_patron="Y" if card and not card.expires_on else "N",
            valid_patron_password="Y" if card and asked.patron_password == card.pin else "N",
            email_address=card.email if card else None,
        )

    with (
        anyio.from_thread.start_blocking_portal() as portal,
        portal.wrap_async_context_manager(server.start()) as port,
    ):
        yield port
    del portal
    with warnings.catch_warnings(action="ignore", category=ResourceWarning):
        # pysip2 never closes its listening socket, but Python's garbage collector does.
        gc.collect()


class KohaServer:
    """A server with the parts of Koha's REST API that the portal uses.

    `asked` holds (method, path, body) of each request.
    """

    def __init__(self, cards):
        self.cards, self.asked, self.fault, self.tokens = cards, [], None, []

    def answer(self, method, path, body, authorization):
        if path == "/api/v1/oauth/token":
            if "client_secret=secret" not in body:
                return 403, {"error": "unauthorized_client"}
            self.tokens.append(f"token-{len(self.tokens)}")
            return 200, {"access_token": self.tokens[-1], "token_type": "Bearer", "expires_in": 3600}
        known = [
            f"Basic {base64.b64encode(f'{LOGIN}:{PASSWORD}'.encode()).decode()}",
            *[f"Bearer {token}" for token in self.tokens[-1:]],
        ]
        if authorization not in known:
            return 401, {"error": "Authentication failure."}
        if path == "/api/v1/auth/password/validation":
            typed = json.loads(body)
            for card in self.cards:
                if typed["identifier"] in {card.card, card.name} and typed["password"] == card.pin:
                    return 201, {"cardnumber": card.card, "patron_id": int(card.ils_id), "userid": card.name}
            return 400, {"error": "Validation failed"}
        if path.startswith("/api/v1/patrons?"):
            query = parse_qs(urlsplit(path).query)
            wanted = json.loads(query["q"][0]) if "q" in query else []
            patrons = [{"cardnumber": card.card, "userid": card.name} for card in self.cards]
            return 200, [
                patron for patron in patrons if any(part.items() <= patron.items() for part in wanted)
            ]
        card = next((card for card in self.cards if path == f"/api/v1/patrons/{card.ils_id}"), None)
        if card is None:
            return 404, {"error": "Patron not found."}
        first, _space, last = card.name.partition(" ")
        return 200, {
            "patron_id": int(card.ils_id),
            "cardnumber": card.card,
            "firstname": first or None,
            "surname": last,
            "email": card.email or None,
            "category_id": card.group,
            "library_id": card.home_branch,
            "expiry_date": card.expires_on and card.expires_on.isoformat(),
            "restricted": card.blocked,
            "patron_card_lost": False,
            "date_of_birth": "1990-01-01",
        }

    @contextmanager
    def running(self):
        """Run the server and yield its URL."""
        ours = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
                ours.asked.append((self.command, self.path, body))
                if ours.fault and ours.fault(self):
                    return
                status, found = ours.answer(self.command, self.path, body, self.headers["Authorization"])
                self.say(status, json.dumps(found).encode())

            do_GET = do_POST

            def say(self, status, text):
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *args):
                pass

        class Server(ThreadingHTTPServer):
            block_on_close = False

            def handle_error(self, *whose):
                """Ignore clients that disconnect before the response is sent."""

        with Server(("127.0.0.1", 0), Handler) as server:
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
            thread.start()
            try:
                yield f"http://127.0.0.1:{server.server_address[1]}"
            finally:
                server.shutdown()
                thread.join()


__all__ = ["LOGIN", "PASSWORD", "Card", "Hang", "HangUp", "KohaServer", "Sip2Server", "pysip2_server"]
