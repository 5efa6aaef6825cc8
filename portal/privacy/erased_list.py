"""Remember which records were erased. A backup that was made before still contains them.

After a restore, `manage.py erase_again` erases them again. The list is a folder in the private files. It has
an empty file for each erased record, named after the record's kind and public id, so it says nothing about a
person. A restore keeps the list (portal/backups.py).
"""

import uuid
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.files.base import ContentFile
from django.db import transaction

from accounts.models import Library, User, private_storage
from portal.conversations.changes import Erased
from portal.conversations.models import Conversation
from portal.helpsessions.models import HelpSession

FOLDER = "erased"
KINDS = {User: "person", Conversation: "conversation", HelpSession: "help_session"}
# A backup can be a day older than BACKUPS_KEPT, because the next backup deletes it.
KEPT_FOR = settings.BACKUPS_KEPT + timedelta(days=2)


def remember(record):
    """Add the record to the list when the transaction commits. A full disk doesn't prevent an erasure."""
    name = f"{FOLDER}/{KINDS[type(record)]}-{record.public_id}"
    transaction.on_commit(lambda: _write(name), robust=True)


def erase_again(*, at):
    """Erase each record of the list that a restored backup has brought back.

    Return (Counter of the erased records of each kind, [what could not be erased, and what to do]).
    """
    # These modules call `remember`.
    from . import deleting, erasure, holds, session_lock

    def erase_person(person):
        erasure.erase(person, language=person.language or Library.current().language, at=at)

    def erase_conversation(conversation):
        holds.erase_conversation_again(conversation, at=at)

    def delete_session(help_session):
        deleting.delete_session_again(help_session, at=at)

    actions: dict[Any, Callable] = {
        User: erase_person,
        Conversation: erase_conversation,
        HelpSession: delete_session,
    }
    erased: Counter[str] = Counter()
    problems = []
    for model, erase in actions.items():
        for record in model.objects.filter(public_id__in=_remembered(KINDS[model])).order_by("pk"):
            name = f"{KINDS[model]} {record.public_id}"
            try:
                erase(record)
            except erasure.WorksAtADesk:
                problems.append(f"{name}: this person works at a desk again. End the role first.")
            except holds.HeldByLaw:
                problems.append(f"{name}: a legal hold forbids it. Lift the hold first.")
            except deleting.MustStay as error:
                problems.append(f"{name}: it must stay. {error.why.label}")
            except (Erased, erasure.AlreadyErased, session_lock.Gone):
                # The row of an erased conversation stays. Or someone else has just erased the record.
                continue
            else:
                erased[KINDS[model]] += 1
    return erased, problems


def forget_erased(*, at):
    """Remove from the list what no backup contains any more. This is a job of the worker."""
    for name in _names():
        path = f"{FOLDER}/{name}"
        if private_storage().get_modified_time(path) < at - KEPT_FOR:
            private_storage().delete(path)


def _write(name):
    # The age of the file counts from the latest erasure.
    private_storage().delete(name)
    private_storage().save(name, ContentFile(b""))


def _remembered(kind):
    """Return the public ids of the records of this kind."""
    found = []
    for name in _names():
        of_kind, _hyphen, public_id = name.partition("-")
        if of_kind == kind:
            found.append(uuid.UUID(public_id))
    return found


def _names():
    storage = private_storage()
    return sorted(storage.listdir(FOLDER)[1]) if storage.exists(FOLDER) else []
