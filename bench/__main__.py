"""Compare the portal's pages with the minimal page (make bench), or with themselves in a large database.

A number of milliseconds says more about the machine than about the code. So two servers take turns, and what
counts is the ratio of their CPU times in each round.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from bench.databases import databases
from bench.server import Jobs, Server, environment

RUNS, ROUNDS, REQUESTS = 3, int(os.environ.get("BENCH_ROUNDS", 8)), 20
COUNT = RUNS * ROUNDS * REQUESTS
GROWTH, GROWTH_OF_OTHERS = {"queue": 1.15}, 1.3  # × the cost in a small database


def main(large):
    begun, results = time.monotonic(), {}
    if os.getloadavg()[0] > 0.5:
        print("Other programs are running: the numbers are provisional.")
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        collect = [sys.executable, "manage.py", "collectstatic", "--noinput", "--verbosity=0"]
        subprocess.run(collect, env=environment("sqlite://", folder), check=True)
        for database in databases(folder):
            stack.callback(database.close)
            rows = results[database.title] = (_large if large else _small)(database, folder)
            _show(database.title, rows, "the small database" if large else "the minimal page")
    if large:
        return int(any(row["over"] for rows in results.values() for row in rows))
    found = {"runs": RUNS, "rounds": ROUNDS, "requests": REQUESTS, "databases": results}
    out = Path(os.environ.get("BENCH_JSON", "var/bench.json"))
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(found, indent=2) + "\n")
    print(f"\nThe same as JSON: {out}. It took {time.monotonic() - begun:.0f} s.")
    return 0


def _small(database, folder):
    """Return the rows of all pages, compared with the minimal page on the same database."""
    with (
        Server(
            database,
            database.new("minimal"),
            folder,
            module="bench.minimal.set_up",
            application="django.core.wsgi:get_wsgi_application()",
            settings="bench.minimal.settings",
        ) as minimal,
        Server(database, database.new("portal"), folder, count=COUNT) as portal,
    ):
        bars = {name: page.bar for name, page in portal.browser.pages.items()}
        base = partial(minimal.measure, "minimal")
        return _measured({name: (base, partial(portal.measure, name)) for name in bars}, bars)


def _large(database, folder):
    """Return the rows of all pages and jobs, compared with the same in a small database."""
    small_url, (large_url, remove) = database.new("portal"), database.kept("large")
    print(f"The large {database.title} database is kept. To remove it: {remove}")
    with (
        Server(database, small_url, folder, count=COUNT) as small,
        Server(database, large_url, folder, module="bench.large", count=COUNT) as large,
        Jobs(small_url, folder) as small_jobs,
        Jobs(large_url, folder) as large_jobs,
    ):
        pairs = {
            name: (partial(base.measure, name), partial(page.measure, name))
            for base, page in ((small, large), (small_jobs, large_jobs))
            for name in base.names
        }
        return _measured(pairs, {name: GROWTH.get(name, GROWTH_OF_OTHERS) for name in pairs})


def _measured(pairs, bars):
    """Measure what each pair compares, in turn. Return one row for each."""
    runs = {name: [] for name in pairs}
    for run in range(RUNS):
        for name, (base, page) in pairs.items():
            if sys.stderr.isatty():
                print(f"run {run + 1} of {RUNS}: {name:24}", end="\r", file=sys.stderr, flush=True)
            runs[name].append(_run(base, page))
    return [_row(name, found, bars[name]) for name, found in runs.items()]


def _run(base, page):
    """Return (ratio, CPU ms of the web server, CPU ms of the database), each the median of the rounds."""
    rounds = []
    for _ in range(ROUNDS):
        compared = sum(base(REQUESTS))
        web, data = page(REQUESTS)
        rounds.append(((web + data) / compared, web, data))
    return [statistics.median(values) for values in zip(*rounds, strict=True)]


def _row(name, runs, bar):
    ratios, webs, datas = zip(*runs, strict=True)
    ratio = statistics.median(ratios)
    return {
        "page": name,
        "ratio": round(ratio, 3),
        "bar": bar,
        "over": bar is not None and ratio > bar,
        "spread": round((max(ratios) - min(ratios)) / ratio, 3),  # of the runs, as a part of their median
        "web_ms": round(statistics.median(webs), 3),
        "database_ms": round(statistics.median(datas), 3),
    }


def _show(title, rows, base):
    rounds = f"{RUNS} runs of {ROUNDS} rounds of {REQUESTS} requests"
    print(f"\n{title}: CPU of a request, × {base} (median of {rounds})")
    print(f"{'page':22} {'ratio':>6} {'bar':>5} {'spread':>7} {'web ms':>7} {'db ms':>6}")
    for row in rows:
        bar, over = f"{row['bar'] or '':>5}", "  over" if row["over"] else ""
        print(
            f"{row['page']:22} {row['ratio']:6.2f} {bar} {row['spread']:7.1%}"
            f" {row['web_ms']:7.2f} {row['database_ms']:6.2f}{over}"
        )


if __name__ == "__main__":
    sys.exit(main(large="large" in sys.argv[1:]))
