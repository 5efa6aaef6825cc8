from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0023_check_ins'),
        ('conversations', '0010_answers_that_take_and_count'),
        ('helpsessions', '0014_answers_have_their_own_times'),
        ('recommendations', '0009_topics_never_by_message'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name='conversation',
            name='is_about_outcome',
            field=models.BooleanField(default=False, help_text='the patron\'s answer to "Did you find what you needed?" opened it'),
        ),
        migrations.AddField(
            model_name='conversation',
            name='wants_no_answer',
            field=models.BooleanField(default=False, help_text='the patron only told the library: staff can close it, but not write in it'),
        ),
        migrations.AddField(
            model_name='message',
            name='by_link',
            field=models.BooleanField(default=False, help_text='written with the link in an email, and nobody was signed in'),
        ),
        migrations.AlterField(
            model_name='conversation',
            name='reason',
            field=models.CharField(choices=[('asked', 'asked the library'), ('did_not_help', 'did not help'), ('could_not_get_it', 'could not get the item'), ('readers_advisory', 'something to read'), ('came_back', 'snooze ended'), ('found_nothing', 'did not find it'), ('found_part', 'found only a part')], max_length=20),
        ),
        migrations.AddConstraint(
            model_name='conversation',
            constraint=models.UniqueConstraint(condition=models.Q(('is_about_outcome', True)), fields=('help_session',), name='one_conversation_about_the_outcome'),
        ),
        migrations.AddConstraint(
            model_name='conversation',
            constraint=models.CheckConstraint(condition=models.Q(('is_about_outcome', False), ('help_session__isnull', False), _connector='OR'), name='an_outcome_has_its_visit'),
        ),
    ]
