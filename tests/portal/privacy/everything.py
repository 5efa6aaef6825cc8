"""Read the whole database, without limiting the rows to what a person may see."""

from django.apps import apps
from django.contrib.sessions.models import Session
from django.db import connection


def rows():
    """Return {model label: {primary key: {column: text}}} for every model. Session data is decoded."""
    found = {}
    for model in apps.get_models(include_auto_created=True):
        columns = [field.attname for field in model._meta.concrete_fields]
        found[model._meta.label] = {
            row[0]: dict(zip(columns, map(_text, row[1:]), strict=True))
            for row in model._base_manager.values_list("pk", *columns)
        }
    for session in Session.objects.all():
        found["sessions.Session"][session.pk]["session_data"] = str(session.get_decoded())
    return found


def _text(value):
    return str(bytes(value) if isinstance(value, memoryview) else value)


def pointing_at(person):
    """Return a "label.column" for each foreign key with which any row points to this person."""
    found = []
    for model in apps.get_models(include_auto_created=True):
        for field in model._meta.concrete_fields:
            if (
                field.related_model is type(person)
                and model._base_manager.filter(**{field.attname: person.pk}).exists()
            ):
                found.append(f"{model._meta.label}.{field.name}")
    return found


def occurrences_of(words, *, skipped=()):
    """Search all columns and the cache for the words, and return {(model label, column, found word)}.

    Skip the (model label, column) pairs in `skipped`.
    """
    found = set()
    folded = {word: word.casefold() for word in words if word}
    for label, table in rows().items():
        for columns in table.values():
            for column, value in columns.items():
                text = value.casefold()
                found |= {
                    (label, column, word)
                    for word, small in folded.items()
                    if small in text and (label, column) not in skipped
                }
    with connection.cursor() as cursor:
        cursor.execute("SELECT cache_key, value FROM cache")
        for key, value in cursor.fetchall():
            found |= {
                ("cache", "cache_key", word)
                for word, small in folded.items()
                if small in f"{key} {value}".casefold()
            }
    return found
