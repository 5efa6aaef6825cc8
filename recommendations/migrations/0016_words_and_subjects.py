"""Add the subjects of items, the table of words, and the marks for narrowing a search.

FTS5 gets an index for prefixes of one letter, so its table is built again.
"""

import re
from collections import defaultdict

from django.db import migrations, models

FTS5 = "CREATE VIRTUAL TABLE recommendations_text USING fts5(title, names, rest, tokenize = 'ascii', prefix = '{}')"
COPY = (
    "INSERT INTO recommendations_text (rowid, title, names, rest) "
    "SELECT item_id, title, names, rest FROM recommendations_searchentry"
)
# As in recommendations/search/narrowing.py.
ADD_MARKS = """
UPDATE recommendations_searchentry SET rest = rtrim(substr((
    SELECT coalesce({branches}, '') || '¤k' || replace(kind, '_', '')
    || CASE WHEN language = '' THEN '' ELSE ' ¤l' || {language} END
    || CASE WHEN source = '' THEN '' ELSE ' ¤c' END
    FROM recommendations_item AS item WHERE item.id = recommendations_searchentry.item_id
) || ' ' || rest, 1, 4000))"""
BRANCHES = "(SELECT {} FROM (SELECT DISTINCT branch_id FROM recommendations_holding AS copy WHERE copy.item_id = item.id ORDER BY branch_id) AS copies)"
ON_SQLITE = ADD_MARKS.format(
    branches=BRANCHES.format("group_concat('¤b' || branch_id, ' ') || ' '"),
    language="replace(replace(lower(language), '-', ''), '_', '')",
)
ON_POSTGRESQL = ADD_MARKS.format(
    branches=BRANCHES.format("string_agg('¤b' || branch_id, ' ' ORDER BY branch_id) || ' '"),
    language="regexp_replace(lower(language), '[^a-z0-9]', '', 'g')",
)
DIGIT = re.compile(r"\d")
# As WITHOUT_SPACES in portal/folding.py.
WITHOUT_SPACES = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
)


def create(apps, schema_editor):
    is_sqlite = schema_editor.connection.vendor == "sqlite"
    schema_editor.execute(ON_SQLITE if is_sqlite else ON_POSTGRESQL)
    if is_sqlite:
        _build_fts5(schema_editor, "1 2 3")
    # {word: its four numbers, in the order of the model's fields}
    counts = defaultdict(lambda: [0, 0, 0, 0])
    entries = apps.get_model("recommendations", "SearchEntry").objects.values_list("title", "names", "rest")
    for title, names, rest in entries.iterator():
        in_title, is_imported = set(title.split()), "¤c" in rest
        for word in in_title.union(names.split()):
            if not DIGIT.search(word) and not WITHOUT_SPACES.match(word):
                is_in_title = word in in_title
                numbers = counts[word]
                numbers[0] += 1
                numbers[1] += is_in_title
                numbers[2] += is_imported
                numbers[3] += is_imported and is_in_title
    SearchWord = apps.get_model("recommendations", "SearchWord")
    SearchWord.objects.bulk_create(
        (SearchWord(word, word[::-1], *numbers) for word, numbers in sorted(counts.items())),
        batch_size=5000,
    )


def drop(apps, schema_editor):
    if schema_editor.connection.vendor == "sqlite":
        _build_fts5(schema_editor, "2 3")


def _build_fts5(schema_editor, prefixes):
    schema_editor.execute("DROP TABLE recommendations_text")
    schema_editor.execute(FTS5.format(prefixes))
    schema_editor.execute(COPY)


class Migration(migrations.Migration):

    dependencies = [
        ('recommendations', '0015_verdicts_count_by_visit'),
    ]

    operations = [
        migrations.AddField(
            model_name='item',
            name='subjects',
            field=models.TextField(blank=True, db_default='', default='', help_text='searched but not shown: topics and genres'),
        ),
        migrations.AlterField(
            model_name='searchentry',
            name='names',
            field=models.TextField(help_text='creators, other titles, series and subjects'),
        ),
        migrations.AlterField(
            model_name='searchentry',
            name='rest',
            field=models.TextField(help_text='marks for narrowing, and what else people search by: ISBN, call numbers, publisher, year, description'),
        ),
        migrations.CreateModel(
            name='SearchWord',
            fields=[
                ('word', models.CharField(max_length=80, primary_key=True, serialize=False)),
                ('backward', models.CharField(help_text='the word from its last letter to its first', max_length=80)),
                ('items', models.IntegerField(help_text='number of items with the word in the title or in `names`')),
                ('titles', models.IntegerField(help_text='number of items with the word in the title')),
                ('imported', models.IntegerField(help_text='as `items`, without the items that staff typed by hand')),
                ('imported_titles', models.IntegerField(help_text='as `titles`, without the items that staff typed by hand')),
            ],
            options={
                'indexes': [models.Index(fields=['backward'], name='words_backward', opclasses=['varchar_pattern_ops'])],
            },
        ),
        migrations.RunPython(create, drop),
    ]
