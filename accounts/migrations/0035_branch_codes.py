"""Add the table of branch codes, and copy the pairs of the earlier setting ILS_BRANCHES to it."""

import django.db.models.deletion
import django.db.models.functions.text
import uuid
from django.conf import settings
from django.db import migrations, models


def copy_setting(apps, schema_editor):
    rows = apps.get_model("accounts", "Branch").objects.all()
    branches = {name.lower(): branch for branch in rows for name in (branch.name, branch.slug)}
    BranchCode = apps.get_model("accounts", "BranchCode")
    known = set()
    for code, name in settings.ILS_BRANCHES.items():
        if code and code.lower() not in known and name.lower() in branches:
            known.add(code.lower())
            BranchCode.objects.create(code=code[:40], branch=branches[name.lower()])


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0034_key_mark'),
    ]

    operations = [
        migrations.CreateModel(
            name='BranchCode',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('public_id', models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ('code', models.CharField(max_length=40, verbose_name='code')),
                ('met', models.PositiveIntegerField(default=0, help_text='how many holdings the last import left out because the code was unknown')),
                ('met_at', models.DateTimeField(blank=True, help_text='when this import began', null=True)),
                ('branch', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='codes', to='accounts.branch')),
            ],
            options={
                'ordering': ['code'],
                'constraints': [models.UniqueConstraint(django.db.models.functions.text.Lower('code'), name='one_row_per_branch_code'), models.CheckConstraint(condition=models.Q(('code', ''), _negated=True), name='branch_code_is_not_empty')],
            },
        ),
        migrations.RunPython(copy_setting, migrations.RunPython.noop),
    ]
