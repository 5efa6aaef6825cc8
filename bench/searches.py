"""Measure searches, pages and imports in a catalog with a million items and a million verdicts.

Compare the CPU time of each search and page with that of the minimal page, and measure how long the server
takes to answer. A cold search is the first search after the database file was removed from the cache of the
operating system. PostgreSQL also has its own cache, so there a cold search is the first of a new server
process.
"""

import os
import statistics
import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from bench.server import AskedBefore, Jobs, Server

# 95 of 100 calls of `asked_before` may take at most this many milliseconds, measured without a web server.
ASKED_P95_BAR = 5
# {import: its maximum CPU time, as a multiple of the time that pymarc needs to read the same records}
IMPORT_BARS = {"first import": 2.5, "unchanged import": 1.5}
ROUNDS, REQUESTS = int(os.environ.get("BENCH_ROUNDS", 5)), 20


def measure(database, folder):
    """Return a row for each search, page and import, and one row for the function `asked_before`."""
    url, remove = database.kept("catalog")
    print(f"The {database.title} catalog stays for the next run. To remove it, run: {remove}", flush=True)
    with ExitStack() as stack:
        minimal = Server(
            database,
            database.new("minimal"),
            folder,
            module="bench.minimal.set_up",
            application="bench.minimal.wsgi:application",
            settings="bench.minimal.settings",
        )
        stack.enter_context(minimal)
        portal = Server(database, url, folder, module="bench.catalog", warm_up=False)
        if url.startswith("sqlite"):
            _forget(Path(url.removeprefix("sqlite:///")))
        stack.enter_context(portal)
        cold = {name: _milliseconds(portal, name) for name in portal.names}
        base = partial(minimal.measure, "minimal")
        rows = [_row(portal, name, cold[name], base) for name in portal.names]
        asked = stack.enter_context(AskedBefore(url, folder))
        rows.append(_asked_before(asked))
        importer = stack.enter_context(Jobs(url, folder, "bench.imports"))
        return rows + [_import(importer, name, bar) for name, bar in IMPORT_BARS.items()]


def _row(portal, name, cold, base):
    ratios, times, page = [], [], portal.browser.pages[name]
    for _ in range(ROUNDS):
        base_ms = sum(base(REQUESTS))
        ratios.append(sum(portal.measure(name, REQUESTS)) / base_ms)
        times += [_milliseconds(portal, name) for _ in range(REQUESTS)]
    ratio = statistics.median(ratios)
    is_slow = bool(page.p95_bar) and _p95(times) > page.p95_bar
    return _result(name, ratio, page.bar, times, cold=cold, is_slow=is_slow)


def _asked_before(process):
    process.times(REQUESTS)
    times = process.times(ROUNDS * REQUESTS * 2)
    return _result("asked before", None, None, times, is_slow=_p95(times) > ASKED_P95_BAR)


def _import(process, name, bar):
    ratios = []
    for _ in range(ROUNDS):
        base = sum(process.measure("pymarc reading"))
        ratios.append(sum(process.measure(name)) / base)
    return _result(name, statistics.median(ratios), bar, [])


def _result(name, ratio, bar, times, *, cold=None, is_slow=False):
    return {
        "page": name,
        "ratio": ratio and round(ratio, 2),
        "bar": bar,
        "median_ms": round(statistics.median(times), 1) if times else None,
        "p95_ms": round(_p95(times), 1) if times else None,
        "cold_ms": cold and round(cold, 1),
        "over": is_slow or bool(bar and ratio > bar),
    }


def _p95(times):
    return statistics.quantiles(times, n=20)[-1]


def _milliseconds(server, name):
    started = time.perf_counter()
    server.browser.ask(name, 1)
    return (time.perf_counter() - started) * 1000


def _forget(path):
    """Remove the file from the cache of the operating system, if the system can do this."""
    if path.exists() and hasattr(os, "posix_fadvise"):
        with path.open("rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def show(title, rows):
    print(f"\n{title}: a million items and a million verdicts, compared with the minimal page or pymarc")
    print(f"{'search, page or job':32} {'ratio':>6} {'bar':>5} {'p50 ms':>7} {'p95 ms':>7} {'cold ms':>8}")
    for row in rows:
        ratio, bar, *times = (
            "" if row[name] is None else row[name]
            for name in ("ratio", "bar", "median_ms", "p95_ms", "cold_ms")
        )
        over = "  over" if row["over"] else ""
        print(
            f"{row['page']:32} {ratio:>6} {bar:>5} {times[0]:>7} {times[1]:>7} {times[2]:>8}{over}",
            flush=True,
        )
