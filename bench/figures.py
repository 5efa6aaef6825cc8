"""Measure the pages of figures, and the worker's jobs about counts, in a database with a million sessions.

bench.ten_years builds the database. All times are the CPU times of the web server and of the database.
"""

import statistics
from pathlib import Path

from bench.server import Jobs, Server

# A page may take at most this many milliseconds of CPU time.
BAR = 300
REQUESTS = 3


def measure(database, folder):
    """Return a row for each page and each job."""
    url, remove = database.kept("years")
    print(f"The {database.title} database of ten years stays. To remove it, run: {remove}", flush=True)
    rows = []
    with Server(database, url, folder, module="bench.ten_years", warm_up=False) as portal:
        portal.browser.ask("figures, first view", REQUESTS)
        before = _memory(portal.process.pid)
        for name in portal.names:
            portal.browser.ask(name, 1)
            rows.append(_row(name, [portal.measure(name, 1) for _ in range(REQUESTS)], BAR))
        after = _memory(portal.process.pid)
        # Each connection of SQLite has a cache that grows up to a limit. Request all pages again, to see
        # whether the memory stops growing.
        for name in portal.names:
            portal.browser.ask(name, REQUESTS)
        again = _memory(portal.process.pid)
    print(f"The web server needed {before} MB after its first pages, and {after} MB after all pages.")
    print(f"It needed {again} MB after all pages were requested again.")
    with Jobs(url, folder, "bench.ten_years") as jobs:
        rows += [_row(name, [jobs.measure(name)], None) for name in jobs.names]
    return rows


def _row(name, measured, bar):
    web, data = (statistics.median(times) for times in zip(*measured, strict=True))
    over = bar is not None and web + data > bar
    return {"page": name, "web_ms": round(web, 1), "database_ms": round(data, 1), "bar": bar, "over": over}


def _memory(pid):
    """Return the memory of the web server's worker process, in megabytes."""
    [worker] = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    lines = Path(f"/proc/{worker}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) // 1024


def show(title, rows):
    print(f"\n{title}: ten years with a million help sessions, CPU milliseconds")
    print(f"{'page or job':36} {'web':>8} {'database':>9} {'bar':>5}")
    for row in rows:
        over = "  over" if row["over"] else ""
        print(f"{row['page']:36} {row['web_ms']:8} {row['database_ms']:9} {row['bar'] or '':>5}{over}")
