"""Add what an item is (form, extent, audience) and whether a holding can be borrowed.

Existing items get their values when their records are imported again. Django would copy the table of items on
SQLite for each new column. Adding the columns with SQL takes no time, however many rows there are.
"""

from django.db import migrations, models

FORMS = [('large_print', 'large print'), ('braille', 'braille'), ('ebook', 'e-book'), ('disc', 'disc'), ('cassette', 'cassette'), ('stream', 'stream or download'), ('online', 'online'), ('microform', 'microform'), ('print', 'print')]
AUDIENCES = [('preschool', 'children up to 5 years'), ('primary', 'children from 6 to 8 years'), ('preteen', 'children from 9 to 13 years'), ('teen', 'teens'), ('juvenile', 'children and teens'), ('adult', 'adults'), ('specialized', 'specialists'), ('general', 'everyone')]


def add_column(model, name, field, definition):
    """Return the operation that adds a column that is not null and has a default in the database."""
    table = f"recommendations_{model}"
    return migrations.SeparateDatabaseAndState(
        database_operations=[
            migrations.RunSQL(
                f'ALTER TABLE "{table}" ADD COLUMN "{name}" {definition} NOT NULL',
                f'ALTER TABLE "{table}" DROP COLUMN "{name}"',
            )
        ],
        state_operations=[migrations.AddField(model_name=model, name=name, field=field)],
    )


class Migration(migrations.Migration):

    dependencies = [
        ('recommendations', '0016_words_and_subjects'),
    ]

    operations = [
        add_column(
            'item',
            'form',
            models.CharField(blank=True, choices=FORMS, db_default='', default='', max_length=12, verbose_name='form'),
            "varchar(12) DEFAULT ''",
        ),
        add_column(
            'item',
            'extent',
            models.CharField(blank=True, db_default='', default='', help_text='such as 324 pages; MARC 300', max_length=120),
            "varchar(120) DEFAULT ''",
        ),
        add_column(
            'item',
            'audience',
            models.CharField(blank=True, choices=AUDIENCES, db_default='', default='', help_text='MARC 008/22', max_length=12),
            "varchar(12) DEFAULT ''",
        ),
        add_column(
            'item',
            'audience_note',
            models.CharField(blank=True, db_default='', default='', help_text='for whom it was made, in the words of the record; MARC 521', max_length=120),
            "varchar(120) DEFAULT ''",
        ),
        add_column(
            'holding',
            'not_for_loan',
            models.BooleanField(db_default=False, default=False, help_text='none of the copies can be borrowed'),
            'bool DEFAULT false',
        ),
        migrations.AddIndex(
            model_name='item',
            index=models.Index(condition=models.Q(('form', 'large_print')), fields=['form'], name='items_in_large_print'),
        ),
        migrations.RemoveConstraint(
            model_name='holding',
            name='one_holding',
        ),
        migrations.AddConstraint(
            model_name='holding',
            constraint=models.UniqueConstraint(fields=('item', 'branch', 'call_number', 'location'), name='one_holding_per_location'),
        ),
    ]
