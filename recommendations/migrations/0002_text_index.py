"""Create the text index of recommendations_searchentry.

There are no triggers, because recommendations/search.py updates the index.

Python has already folded the indexed words. On SQLite, the simplest tokenizer of FTS5 is enough: it splits
words only at ASCII characters. PostgreSQL's parser isn't used, because it has its own rules for numbers,
hosts and hyphens.
"""

from django.db import migrations

ON_SQLITE = "CREATE VIRTUAL TABLE recommendations_text USING fts5(title, names, rest, tokenize = 'ascii', prefix = '2 3')"
ON_POSTGRESQL = [
    "CREATE INDEX recommendations_title_words ON recommendations_searchentry USING gin (array_to_tsvector(string_to_array(title, ' ')))",
    "CREATE INDEX recommendations_all_words ON recommendations_searchentry USING gin "
    "(array_to_tsvector(array_remove(string_to_array(title || ' ' || names || ' ' || rest, ' '), '')))",
]


def create(apps, schema_editor):
    if schema_editor.connection.vendor == "sqlite":
        schema_editor.execute(ON_SQLITE)
    else:
        for statement in ON_POSTGRESQL:
            schema_editor.execute(statement)


def drop(apps, schema_editor):
    if schema_editor.connection.vendor == "sqlite":
        schema_editor.execute("DROP TABLE recommendations_text")
    else:
        schema_editor.execute("DROP INDEX recommendations_title_words, recommendations_all_words")


class Migration(migrations.Migration):
    dependencies = [("recommendations", "0001_initial")]
    operations = [migrations.RunPython(create, drop)]
