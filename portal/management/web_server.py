"""Make the command that starts the production web server, for `manage.py run` and for the bench."""

import sys

SECONDS_TO_FINISH = 30  # when the server is stopped, running requests have this long to finish


def command(application, *, bind, workers, threads):
    """Return the command line that starts the server."""
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
