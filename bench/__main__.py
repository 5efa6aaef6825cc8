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

ROUNDS, REQUESTS = 15, 40


class Child:
    def __init__(self, module, **environment):
        self.process = subprocess.Popen(
            [sys.executable, "-m", "bench.child", module], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ | environment
        )
        self.sizes = json.loads(self.process.stdout.readline() or "{}")  # largest answer of each page, in bytes

    def measure(self, name):
        """CPU milliseconds per request."""
        self.process.stdin.write(f"{name} {REQUESTS}\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline()) * 1000 / REQUESTS

    def end(self):
        self.process.stdin.close()
        return self.process.wait()


def main():
    with tempfile.TemporaryDirectory() as folder:
        minimal = Child("bench.minimal.set_up", DJANGO_SETTINGS_MODULE="bench.minimal.settings", BENCH_DATABASE=f"{folder}/minimal.sqlite3")
        portal = Child("bench.pages", DJANGO_SETTINGS_MODULE="tests.settings", DATABASE_URL=f"sqlite:///{folder}/portal.sqlite3", DATA_DIR=folder)
        if not minimal.sizes or not portal.sizes:
            return 1
        base, times, ratios = [], {name: [] for name in portal.sizes}, {name: [] for name in portal.sizes}
        for _ in range(ROUNDS):
            for name in portal.sizes:
                base.append(minimal.measure("minimal"))
                times[name].append(portal.measure(name))
                ratios[name].append(times[name][-1] / base[-1])
        minimal.end()
        portal.end()

    rows = [{"page": "minimal", "ratio": 1.0, "cpu_ms": statistics.median(base), "bytes": minimal.sizes["minimal"]}]
    for name, values in ratios.items():
        rows.append({"page": name, "ratio": statistics.median(values), "cpu_ms": statistics.median(times[name]), "bytes": portal.sizes[name]})
    print(f"{'page':12} {'ratio':>6} {'CPU ms':>7} {'bytes':>7}   ({ROUNDS} rounds of {REQUESTS} requests; bytes as sent)")
    for row in rows:
        print(f"{row['page']:12} {row['ratio']:6.2f} {row['cpu_ms']:7.2f} {row['bytes']:7}")
    out = Path(os.environ.get("BENCH_JSON", "var/bench.json"))
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps({"rounds": ROUNDS, "requests": REQUESTS, "pages": rows}, indent=2) + "\n")
    print(f"The same as JSON: {out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
