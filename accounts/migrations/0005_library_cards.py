import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0004_passkeys'),
    ]

    operations = [
        migrations.CreateModel(
            name='LibraryCard',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('ils_id', models.CharField(max_length=100, unique=True)),
                ('barcode', models.CharField(max_length=60)),
                ('patron_group', models.CharField(blank=True, max_length=80)),
                ('seen_at', models.DateTimeField()),
                ('home_branch', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='accounts.branch')),
                ('person', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='library_cards', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'ordering': ['-seen_at', '-pk'],
                'constraints': [models.CheckConstraint(condition=models.Q(('ils_id', ''), _negated=True), name='card_has_an_ils_id')],
            },
        ),
    ]
