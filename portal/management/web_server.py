"""The command that starts the production web server: for `manage.py run` and for the bench."""

import sys

SECONDS_TO_FINISH = 30  # for the requests under way when the server is stopped


def command(application, *, bind, workers, threads):
    return [
        sys.executable,
        "-m",
        "gunicorn",
        application,
        f"--bind={bind}",
        f"--workers={workers}",
        "--worker-class=gthread",
        "--no-control-socket",
        f"--threads={threads}",
        "--log-level=warning",
        f"--graceful-timeout={SECONDS_TO_FINISH - 5}",
    ]
