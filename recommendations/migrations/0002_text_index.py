"""The text index beside recommendations_searchentry, without triggers: recommendations/search.py keeps it in step.

Its words are folded in Python. So FTS5's plainest tokenizer is the right one (it splits at ASCII signs and leaves other
scripts whole), and PostgreSQL's parser, which has rules of its own for numbers, hosts and hyphens, is left out.
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
