from django.conf import settings
from django.db import migrations, models
from django.db.models import F


def date_answers(apps, schema_editor):
    """Give each answer the time of the last answer, which is the only time that was stored."""
    sessions = apps.get_model("helpsessions", "HelpSession").objects.filter(
        answered_at__isnull=False, forgotten_on=None
    )
    sessions.exclude(found="").update(found_at=F("answered_at"))
    sessions.exclude(satisfaction="").update(satisfaction_at=F("answered_at"))


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0023_check_ins'),
        ('helpsessions', '0013_corrections'),
        ('recommendations', '0009_topics_never_by_message'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name='helpsession',
            name='answered_by_link',
            field=models.BooleanField(default=False, help_text='the last answer came from the link in an email, and nobody was signed in'),
        ),
        migrations.AddField(
            model_name='helpsession',
            name='check_ins',
            field=models.CharField(blank=True, choices=[('pages', 'only on these pages'), ('none', "don't ask")], default='', help_text='what a viewer chose for this visit; blank if nobody has', max_length=8),
        ),
        migrations.AddField(
            model_name='helpsession',
            name='found_at',
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name='helpsession',
            name='satisfaction_at',
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name='helpsession',
            name='would_return',
            field=models.CharField(blank=True, choices=[('yes', 'yes'), ('maybe', 'maybe'), ('no', 'no')], default='', max_length=8),
        ),
        migrations.AddField(
            model_name='helpsession',
            name='would_return_at',
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AlterField(
            model_name='helpsession',
            name='answered_at',
            field=models.DateTimeField(blank=True, help_text='when the patron last answered a question about the visit', null=True),
        ),
        migrations.RunPython(date_answers, migrations.RunPython.noop),
        migrations.AddConstraint(
            model_name='helpsession',
            constraint=models.CheckConstraint(condition=models.Q(('check_ins__in', ['', 'pages', 'none'])), name='known_check_ins_of_a_visit'),
        ),
        migrations.AddConstraint(
            model_name='helpsession',
            constraint=models.CheckConstraint(condition=models.Q(('would_return__in', ['', 'yes', 'maybe', 'no'])), name='known_would_return'),
        ),
        migrations.AddConstraint(
            model_name='helpsession',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(models.Q(('found', ''), _negated=True), ('found_at__isnull', True), _connector='OR'), models.Q(models.Q(('satisfaction', ''), _negated=True), ('satisfaction_at__isnull', True), _connector='OR'), models.Q(models.Q(('would_return', ''), _negated=True), ('would_return_at__isnull', True), _connector='OR')), name='only_an_answer_has_its_time'),
        ),
    ]
