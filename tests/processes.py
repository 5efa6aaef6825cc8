"""Runs one thing in several real processes at the same moment."""

import multiprocessing
import traceback

from django.db import connections

LONGEST = 60  # seconds that a process waits for the others


def at_once(*works):
    """Each callable in a process of its own, started together; returns what each returned, or the exception's class name.

    The processes are forks, so they see the test's database by its name, each through a connection of its own.
    """
    outcomes = []
    rounds(
        [lambda _data, work=work: work() for work in works],
        1,
        after=lambda _data, results: outcomes.extend(results),
    )
    return outcomes


def rounds(works, count, *, before=lambda number: number, after, refusals=()):
    """`count` times: `data = before(number)` here, then every `work(data)` at the same moment, each in a process of its own, then
    `after(data, outcomes)` here. An outcome is what the work returned, or the exception's class name; those not in `refusals` are
    printed.

    The processes live through all the rounds, so a hundred cost little more than one.
    """
    context = multiprocessing.get_context("fork")
    connections.close_all()
    barrier, results = context.Barrier(len(works)), context.SimpleQueue()
    pipes = [context.Pipe() for _ in works]
    processes = [
        context.Process(target=_work, args=(number, work, pipe[1], barrier, results, refusals), daemon=True)
        for number, (work, pipe) in enumerate(zip(works, pipes, strict=True))
    ]
    for process in processes:
        process.start()
    try:
        for number in range(count):
            data = before(number)
            for ours, _theirs in pipes:
                ours.send((data,))
            outcomes = dict(results.get() for _ in works)
            after(data, [outcomes[index] for index in range(len(works))])
        for ours, _theirs in pipes:
            ours.send(None)
        for process in processes:
            process.join(LONGEST)
    finally:
        for process in processes:
            if process.is_alive():
                process.kill()


def _work(number, work, pipe, barrier, results, refusals):
    while (told := pipe.recv()) is not None:
        try:
            barrier.wait(LONGEST)
            outcome = work(*told)
        except Exception as error:
            outcome = type(error).__name__
            if outcome not in refusals:
                traceback.print_exc()
        results.put((number, outcome))
    connections.close_all()
