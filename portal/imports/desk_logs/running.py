"""Run a whole import of a desk log, or a dry run."""

import hashlib
import json

from portal import keys
from portal.imports.lock import catalog_lock

from .failed_rows import FailedRows
from .mapping import make_plan
from .overview import overview_of
from .saved import answers_of
from .undoing import finish_undoing
from .writing import Result, begin_import, end_import, import_rows

CHUNK = 1024 * 1024


class Undecided(Exception):
    """A person has to answer `questions` before the log can be imported."""

    def __init__(self, questions):
        super().__init__(questions)
        self.questions = questions


def key_of(file, mapping):
    """Return an HMAC of the file and the mapping. A killed import continues only if both are the same."""
    digest = hashlib.sha256()
    file.seek(0)
    while chunk := file.read(CHUNK):
        digest.update(chunk)
    file.seek(0)
    decided = json.dumps(mapping.as_json(), sort_keys=True)
    return keys.fingerprint("file of a desk log", f"{digest.hexdigest()}\n{decided}")


def plan_of(log, mapping):
    """Return (Overview, Plan). Raises Undecided, Question and Unreadable."""
    found = overview_of(log)
    plan, questions = make_plan(found, mapping)
    if questions:
        raise Undecided(questions)
    return found, plan


def dry_run(log, plan, *, at, report=lambda result: None):
    """Return the Result that an import would have, but write nothing.

    `report` is called with the Result after each batch.
    """
    result = Result()
    for _result in import_rows(log, plan, at=at):
        result = _result
        report(result)
    return result


def run_import(
    log, plan, mapping, *, at, file_name="", person=None, failed_file=None, report=lambda result: True
):
    """Import the log, and return (LogImport, Result). Raises AlreadyRunning and LockLost.

    Failed rows are written to `failed_file`. `report` is called with the Result after each batch. If `report`
    returns False, the import stops, and the next run with the same file continues it. The returned LogImport
    is None if nothing was added.
    """
    with catalog_lock("import of a desk log") as lock:
        finish_undoing(lock=lock)
        log_import = begin_import(key_of(log.file, mapping), file_name=file_name, person=person, at=at)
        failed_rows = FailedRows(failed_file, plan, log_import) if failed_file else None
        result = Result()
        on_failed = failed_rows and failed_rows.add
        for result in import_rows(log, plan, log_import=log_import, at=at, on_failed=on_failed, lock=lock):
            if report(result) is False:
                return log_import, result
        if failed_rows:
            failed_rows.close()
        end_import(log_import, answers=answers_of(mapping, plan) if result.failures else {}, at=at)
    return log_import if log_import.added else None, result
