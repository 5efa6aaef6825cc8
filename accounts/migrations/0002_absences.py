import django.core.validators
import django.db.models.deletion
import uuid
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0001_initial'),
    ]

    operations = [
        migrations.AddField(
            model_name='library',
            name='closes_after_days',
            field=models.PositiveSmallIntegerField(default=14, help_text='Counted from the answer, if the patron writes no more. 0: never.', validators=[django.core.validators.MaxValueValidator(365)], verbose_name='a conversation closes by itself after (days)'),
        ),
        migrations.AddField(
            model_name='library',
            name='released_after_days',
            field=models.PositiveSmallIntegerField(default=3, help_text='Counted from the day on which somebody took it and did not answer. 0: never.', validators=[django.core.validators.MaxValueValidator(90)], verbose_name='a conversation left lying is free again after (days)'),
        ),
        migrations.CreateModel(
            name='Absence',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('public_id', models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ('first_day', models.DateField(verbose_name='first day')),
                ('last_day', models.DateField(verbose_name='last day')),
                ('cover', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='covers', to=settings.AUTH_USER_MODEL, verbose_name='who covers')),
                ('person', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='absences', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'ordering': ['first_day'],
                'indexes': [models.Index(condition=models.Q(('cover__isnull', False)), fields=['cover', 'last_day'], name='covers')],
                'constraints': [models.CheckConstraint(condition=models.Q(('last_day__gte', models.F('first_day'))), name='absence_ends_after_it_began'), models.CheckConstraint(condition=models.Q(('cover__isnull', True), models.Q(('cover', models.F('person')), _negated=True), _connector='OR'), name='nobody_covers_themselves')],
            },
        ),
    ]
