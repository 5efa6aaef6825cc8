"""Runs one thing in several real processes at the same moment."""

import multiprocessing
import traceback

from django.db import connections


def at_once(*works):
    """Each callable in a process of its own, started together; returns what each returned, or the exception's class name.

    The processes are forks, so they see the test's database by its name, each through a connection of its own.
    """
    context = multiprocessing.get_context("fork")
    connections.close_all()
    barrier, results = context.Barrier(len(works)), context.SimpleQueue()

    def run(index, work):
        try:
            barrier.wait(20)
            outcome = work()
        except Exception as error:
            traceback.print_exc()
            outcome = type(error).__name__
        finally:
            connections.close_all()
        results.put((index, outcome))

    processes = [context.Process(target=run, args=pair, daemon=True) for pair in enumerate(works)]
    for process in processes:
        process.start()
    outcomes = dict(results.get() for _ in processes)
    for process in processes:
        process.join(20)
    return [outcomes[index] for index in range(len(works))]
