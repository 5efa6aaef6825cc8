"""Remember which records were erased, because older backups still contain these records.

After a restore, `manage.py erase_again` erases the records again. The list is a folder in the private files,
with an empty file for each erased record. The name of the file is the record's kind and public id, so the
list says nothing about a person. A restore doesn't replace the list (portal/backups.py).

The visits and conversations of an erased person are on the list too. In the backup, they may not belong to
the person yet.
"""

import uuid
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

from django.conf import settings
from django.core.files.base import ContentFile
from django.db import transaction

from accounts.models import Library, User, private_storage
from portal.conversations.changes import Erased
from portal.conversations.models import Conversation
from portal.helpsessions.models import HelpSession

FOLDER = "erased"
PERSON, CONVERSATION = "person", "conversation"
# HELP_SESSION is a help session that staff deleted. VISIT is a help session that was erased with its patron,
# so that only a count remains.
HELP_SESSION, VISIT = "help_session", "visit"
# How long a record stays on the erased list. A backup can be a day older than BACKUPS_KEPT, because only the
# next backup deletes it.
KEPT_FOR = settings.BACKUPS_KEPT + timedelta(days=2)


def remember(kind, *public_ids):
    """Add records to the erased list when the transaction commits. A full disk doesn't prevent an erasure."""
    names = [f"{FOLDER}/{kind}-{public_id}" for public_id in public_ids]
    transaction.on_commit(lambda: _write(names), robust=True)


def erase_again(*, at):
    """Erase each record on the erased list that a restored backup has brought back.

    Return (a Counter of erased records by kind, a list of what could not be erased and what to do).
    """
    # Import these modules inside the function, because they import this module.
    from . import deleting, erasure, holds, retention, session_lock

    def erase_person(person):
        erasure.erase(person, language=person.language or Library.current().language, at=at)

    actions: dict[str, tuple[Any, Callable]] = {
        PERSON: (User, erase_person),
        CONVERSATION: (Conversation, partial(holds.erase_conversation_again, at=at)),
        HELP_SESSION: (HelpSession, partial(deleting.delete_session_again, at=at)),
        VISIT: (HelpSession, partial(retention.forget_session_again, at=at)),
    }
    erased: Counter[str] = Counter()
    problems = []
    for kind, (model, erase) in actions.items():
        for record in model.objects.filter(public_id__in=_remembered(kind)).order_by("pk"):
            name = f"{kind} {record.public_id}"
            try:
                erase(record)
            except erasure.WorksAtADesk:
                problems.append(f"{name}: this person works at a desk again. End the role first.")
            except holds.HeldByLaw:
                problems.append(f"{name}: a legal hold forbids it. Lift the hold first.")
            except deleting.MustStay as error:
                problems.append(f"{name}: it must stay. {error.why.label}")
            except (Erased, erasure.AlreadyErased, session_lock.Gone):
                # The record is already erased, or someone else has just erased it. The loop also finds erased
                # conversations, because their rows stay in the database.
                continue
            else:
                erased[kind] += 1
    return erased, problems


def forget_erased(*, at):
    """Remove a record from the erased list when no backup contains it anymore. The worker runs this job."""
    for name in _names():
        path = f"{FOLDER}/{name}"
        if private_storage().get_modified_time(path) < at - KEPT_FOR:
            private_storage().delete(path)


def _write(names):
    for name in names:
        # If the record's file exists, write it again, because its age must count from the latest erasure.
        private_storage().delete(name)
        private_storage().save(name, ContentFile(b""))


def _remembered(kind):
    """Return the public ids of the records of this kind on the erased list."""
    found = []
    for name in _names():
        of_kind, _hyphen, public_id = name.partition("-")
        if of_kind == kind:
            found.append(uuid.UUID(public_id))
    return found


def _names():
    storage = private_storage()
    return sorted(storage.listdir(FOLDER)[1]) if storage.exists(FOLDER) else []
