"""Compare the CPU time of each page with the CPU time of the minimal page.

Also compare how long the worker and plain smtplib take to deliver an email. The bench can also compare each
page in a large database with the same page in a small database. Milliseconds depend on the machine, so the
bench reports ratios. Two servers take turns, and each round gives the ratio of their CPU times.
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

from bench import figures, searches
from bench.databases import databases
from bench.server import CheckIns, Deliveries, Jobs, Server, environment

# The parts of `make bench-large`. Each part can be measured alone.
PARTS = ["conversations", "catalog", "figures"]
RUNS, ROUNDS, REQUESTS = 3, int(os.environ.get("BENCH_ROUNDS", 8)), 20
COUNT = RUNS * ROUNDS * REQUESTS
# The maximum time to deliver an email, as a multiple of the time that smtplib takes.
EMAIL_BAR = 3
# The maximum time to write the emails of due check-ins, as a multiple of the time to insert these emails in
# bulk.
CHECK_INS_BAR = 5
# {page: its maximum CPU time in the large database, as a multiple of its CPU time in a small database}, and
# the maximum for all other pages and jobs.
GROWTH_BARS, DEFAULT_GROWTH_BAR = {"queue": 1.15}, 1.3


def main(large, parts):
    started, results = time.monotonic(), {}
    if os.getloadavg()[0] > 0.5:
        print("Other programs are running, so the numbers are not reliable.")
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        collect = [sys.executable, "manage.py", "collectstatic", "--noinput", "--verbosity=0"]
        subprocess.run(collect, env=environment("sqlite://", folder), check=True)
        for database in databases(folder):
            stack.callback(database.close)
            rows = results[database.title] = []
            if not large:
                rows += _small(database, folder)
                _show(database.title, rows, "the minimal page")
            if large and "conversations" in parts:
                rows += _large(database, folder)
                _show(database.title, rows, "the small database")
            if large and "catalog" in parts:
                found = searches.measure(database, folder)
                searches.show(database.title, found)
                rows += found
            if large and "figures" in parts:
                found = figures.measure(database, folder)
                figures.show(database.title, found)
                rows += found
    print(f"\nThe bench took {time.monotonic() - started:.0f} s.")
    if large:
        return int(any(row["over"] for rows in results.values() for row in rows))
    report = {"runs": RUNS, "rounds": ROUNDS, "requests": REQUESTS, "databases": results}
    out = Path(os.environ.get("BENCH_JSON", "var/bench.json"))
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(report, indent=2) + "\n")
    print(f"Saved as JSON in {out}.")
    return 0


def _small(database, folder):
    """Compare each page with the minimal page, and the worker with smtplib. Return a row per comparison."""
    with (
        Server(
            database,
            database.new("minimal"),
            folder,
            module="bench.minimal.set_up",
            application="bench.minimal.wsgi:application",
            settings="bench.minimal.settings",
        ) as minimal,
        Server(database, database.new("portal"), folder, count=COUNT) as portal,
        # Deliveries and check-ins have separate databases, because their many rows would slow the pages down.
        Deliveries(database.new("deliveries"), folder) as deliveries,
        CheckIns(database.new("check_ins"), folder) as check_ins,
        Jobs(database.new("imports"), folder, "bench.imports", set_up_by="bench.pages") as imports,
    ):
        bars = {name: page.bar for name, page in portal.browser.pages.items()}
        base = partial(minimal.measure, "minimal")
        pairs = {name: (base, partial(portal.measure, name)) for name in bars}
        pairs["email"] = (partial(deliveries.measure, "smtplib"), partial(deliveries.measure, "worker"))
        pairs["check-ins"] = (
            partial(check_ins.measure, "inserting"),
            partial(check_ins.measure, "check-ins"),
        )
        reading = partial(imports.measure, "pymarc reading")
        pairs |= {name: (reading, partial(imports.measure, name)) for name in searches.IMPORT_BARS}
        bars |= {"email": EMAIL_BAR, "check-ins": CHECK_INS_BAR, **searches.IMPORT_BARS}
        return _measured(pairs, bars)


def _large(database, folder):
    """Measure each page and job in a small and in the large database. Return a row for each page and job."""
    small_url, (large_url, remove) = database.new("portal"), database.kept("large")
    print(f"The large {database.title} database stays for the next run. To remove it, run: {remove}")
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
        return _measured(pairs, {name: GROWTH_BARS.get(name, DEFAULT_GROWTH_BAR) for name in pairs})


def _measured(pairs, bars):
    """Compare the two pages or jobs of each pair in several runs. Return a row for each pair."""
    runs = {name: [] for name in pairs}
    for run in range(RUNS):
        for name, (base, page) in pairs.items():
            if sys.stderr.isatty():
                print(f"run {run + 1} of {RUNS}: {name:24}", end="\r", file=sys.stderr, flush=True)
            runs[name].append(_run(base, page))
    return [_row(name, measured, bars[name]) for name, measured in runs.items()]


def _run(base, page):
    """Return the medians of all rounds: [ratio, CPU ms of the web server, CPU ms of the database].

    The ratio is the CPU time of `page` divided by the CPU time of `base`.
    """
    rounds = []
    for _ in range(ROUNDS):
        base_ms = sum(base(REQUESTS))
        web, data = page(REQUESTS)
        rounds.append(((web + data) / base_ms, web, data))
    return [statistics.median(values) for values in zip(*rounds, strict=True)]


def _row(name, runs, bar):
    ratios, webs, datas = zip(*runs, strict=True)
    ratio = statistics.median(ratios)
    return {
        "page": name,
        "ratio": round(ratio, 3),
        "bar": bar,
        "over": bar is not None and ratio > bar,
        # The spread is the difference between the highest and lowest ratio, relative to the median ratio.
        "spread": round((max(ratios) - min(ratios)) / ratio, 3),
        "web_ms": round(statistics.median(webs), 3),
        "database_ms": round(statistics.median(datas), 3),
    }


def _show(title, rows, base):
    rounds = f"{RUNS} runs of {ROUNDS} rounds of {REQUESTS} requests"
    print(f"\n{title}: CPU time of a request compared with {base} (median of {rounds})")
    print(f"{'page':22} {'ratio':>6} {'bar':>5} {'spread':>7} {'web ms':>7} {'db ms':>6}")
    for row in rows:
        bar, over = f"{row['bar'] or '':>5}", "  over" if row["over"] else ""
        print(
            f"{row['page']:22} {row['ratio']:6.2f} {bar} {row['spread']:7.1%}"
            f" {row['web_ms']:7.2f} {row['database_ms']:6.2f}{over}"
        )


if __name__ == "__main__":
    _program, *words = sys.argv
    sys.exit(main("large" in words, [word for word in words if word != "large"] or PARTS))
