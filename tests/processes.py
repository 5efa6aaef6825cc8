"""Run functions in several processes at the same moment."""

import multiprocessing
import traceback

from django.db import connections

# A process waits at most this many seconds for the other processes.
MAX_WAIT = 60


def run_simultaneously(*works):
    """Run each function in its own process at the same moment, and return their outcomes.

    An outcome is what the function returned, or the class name of its exception. The processes are forks of
    the test, so they use its database, each through its own connection.
    """
    outcomes = []
    rounds(
        [lambda _data, work=work: work() for work in works],
        1,
        after=lambda _data, results: outcomes.extend(results),
    )
    return outcomes


def rounds(works, count, *, before=lambda number: number, after, refusals=()):
    """Run the functions `works` at the same moment, each in its own process. Repeat this `count` times.

    In each round, the test's process calls `data = before(number)` with the number of the round. Each other
    process calls its `work(data)`. Finally, the test's process calls `after(data, outcomes)`. An outcome is
    what `work` returned, or the class name of its exception. The tracebacks of the exceptions named in
    `refusals` are not printed.

    All rounds use the same processes, so a hundred rounds take little longer than one.
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
            process.join(MAX_WAIT)
    finally:
        for process in processes:
            if process.is_alive():
                process.kill()


def _work(number, work, pipe, barrier, results, refusals):
    while (message := pipe.recv()) is not None:
        try:
            barrier.wait(MAX_WAIT)
            outcome = work(*message)
        except Exception as error:
            outcome = type(error).__name__
            if outcome not in refusals:
                traceback.print_exc()
        results.put((number, outcome))
    connections.close_all()
