"""make bench: CPU per request of the portal's pages, as ratios to the minimal page in the same run.

A time in milliseconds says more about the machine than about the code, so nothing is judged by one. Two processes take
turns, round by round, and the ratio of each round is kept: what slows one round slows both its halves.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROUNDS, REQUESTS = int(os.environ.get("BENCH_ROUNDS", 15)), 40
MOST = 1.3  # × the small database's cost, with a million messages


class Child:
    def __init__(self, module, **environment):
        self.process = subprocess.Popen(
            [sys.executable, "-m", "bench.child", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | environment,
        )
        self.sizes = json.loads(
            self.process.stdout.readline() or "{}"
        )  # largest answer of each page, in bytes

    def measure(self, name):
        """CPU milliseconds per request."""
        self.process.stdin.write(f"{name} {REQUESTS}\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline()) * 1000 / REQUESTS

    def end(self):
        self.process.stdin.close()
        return self.process.wait()


def main(large=False):
    with tempfile.TemporaryDirectory() as folder:
        minimal = Child(
            "bench.minimal.set_up",
            DJANGO_SETTINGS_MODULE="bench.minimal.settings",
            BENCH_DATABASE=f"{folder}/minimal.sqlite3",
        )
        portals = {
            "": Child(
                "bench.pages",
                DJANGO_SETTINGS_MODULE="tests.settings",
                DATABASE_URL=f"sqlite:///{folder}/portal.sqlite3",
                DATA_DIR=folder,
            )
        }
        if large:
            portals["large"] = _large_child()
        if not minimal.sizes or not all(portal.sizes for portal in portals.values()):
            return 1
        base, times = [], {(name, size): [] for name in portals[""].sizes for size in portals}
        ratios = {key: [] for key in times}
        for _ in range(ROUNDS):
            for name in portals[""].sizes:
                base.append(minimal.measure("minimal"))
                for size, portal in portals.items():
                    times[name, size].append(portal.measure(name))
                    ratios[name, size].append(times[name, size][-1] / base[-1])
        for child in (minimal, *portals.values()):
            child.end()
    if large:
        return _report_large(times, ratios)

    rows = [
        {
            "page": "minimal",
            "ratio": 1.0,
            "cpu_ms": statistics.median(base),
            "bytes": minimal.sizes["minimal"],
        }
    ]
    for (name, size), values in ratios.items():
        rows.append(
            {
                "page": name,
                "ratio": statistics.median(values),
                "cpu_ms": statistics.median(times[name, size]),
                "bytes": portals[size].sizes[name],
            }
        )
    print(
        f"{'page':12} {'ratio':>6} {'CPU ms':>7} {'bytes':>7}   ({ROUNDS} rounds of {REQUESTS} requests; bytes as sent)"
    )
    for row in rows:
        print(f"{row['page']:12} {row['ratio']:6.2f} {row['cpu_ms']:7.2f} {row['bytes']:7}")
    out = Path(os.environ.get("BENCH_JSON", "var/bench.json"))
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps({"rounds": ROUNDS, "requests": REQUESTS, "pages": rows}, indent=2) + "\n")
    print(f"The same as JSON: {out}")
    return 0


def _large_child():
    """The same pages in a database with a million messages, which is kept: in var/bench-large, or where BENCH_LARGE_URL says."""
    folder = Path("var/bench-large").absolute()
    folder.mkdir(parents=True, exist_ok=True)
    url = os.environ.get("BENCH_LARGE_URL", f"sqlite:///{folder}/portal.sqlite3")
    return Child(
        "bench.large", DJANGO_SETTINGS_MODULE="tests.settings", DATABASE_URL=url, DATA_DIR=str(folder)
    )


def _report_large(times, ratios):
    """Whether a page costs the same whatever else there is: the ratio of each round, and no page may go over MOST."""
    print(
        f"{'page':14} {'small':>6} {'large':>6} {'large/small':>12}   (× the minimal page; median of {ROUNDS} rounds of {REQUESTS} requests)"
    )
    worst = 0
    for name in dict.fromkeys(name for name, _size in times):
        small, large = (statistics.median(ratios[name, size]) for size in ("", "large"))
        grown = statistics.median(
            after / before for before, after in zip(times[name, ""], times[name, "large"], strict=True)
        )
        worst = max(worst, grown)
        print(f"{name:14} {small:6.2f} {large:6.2f} {grown:12.2f}{'' if grown <= MOST else '  too much'}")
    return int(worst > MOST)


if __name__ == "__main__":
    sys.exit(main(large="large" in sys.argv[1:]))
