import django.core.validators
import django.db.models.deletion
import uuid
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('helpsessions', '0014_answers_have_their_own_times'),
        ('recommendations', '0009_topics_never_by_message'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='CheckIn',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('public_id', models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ('status', models.CharField(choices=[('planned', 'planned'), ('asked', 'asked'), ('answered', 'answered'), ('skipped', 'skipped'), ('ended', 'ended')], default='planned', max_length=8)),
                ('due_on', models.DateField(help_text="the library's day on which the patron is asked", verbose_name='day')),
                ('set_by', models.CharField(choices=[('rule', 'a rule of the library'), ('staff', 'staff'), ('patron', 'the patron')], default='rule', max_length=8)),
                ('reason', models.CharField(blank=True, help_text='a note of staff, such as "when the essay is due"; patrons never see it', max_length=120, verbose_name='why that day')),
                ('tone', models.CharField(blank=True, choices=[('warm', 'warm'), ('plain', 'plain'), ('brief', 'brief')], help_text="blank means the branch's tone", max_length=8)),
                ('words', models.TextField(blank=True, help_text="the helper's own words; blank while the portal's draft is used", verbose_name='words')),
                ('reviewed_at', models.DateTimeField(blank=True, null=True)),
                ('created_at', models.DateTimeField()),
                ('asked_at', models.DateTimeField(blank=True, help_text='when the email was written', null=True)),
                ('message_id', models.CharField(blank=True, help_text='Message-ID of the email', max_length=200)),
                ('token_hmac', models.CharField(blank=True, max_length=64, null=True, unique=True)),
                ('link_ends_at', models.DateTimeField(blank=True, null=True)),
                ('answered_at', models.DateTimeField(blank=True, null=True)),
                ('ended_at', models.DateTimeField(blank=True, help_text='when it was skipped or ended', null=True)),
                ('asked', models.ForeignKey(blank=True, help_text='the patron who got the email', null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='check_ins_received', to=settings.AUTH_USER_MODEL)),
                ('asked_by', models.ForeignKey(blank=True, help_text="whose name the email has; null if it has the branch's", null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('help_session', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='check_ins_made', to='helpsessions.helpsession')),
                ('reviewed_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'indexes': [models.Index(condition=models.Q(('status', 'planned')), fields=['due_on', 'id'], name='check_ins_due'), models.Index(fields=['help_session', '-id'], name='check_ins_of_a_visit'), models.Index(condition=models.Q(('asked__isnull', False)), fields=['asked', '-asked_at'], name='check_ins_of_a_patron'), models.Index(condition=models.Q(('token_hmac__isnull', False)), fields=['link_ends_at'], name='check_in_links')],
                'constraints': [models.UniqueConstraint(condition=models.Q(('status__in', ['planned', 'asked'])), fields=('help_session',), name='one_open_check_in_per_visit'), models.CheckConstraint(condition=models.Q(('status__in', ['planned', 'asked', 'answered', 'skipped', 'ended'])), name='known_check_in_status'), models.CheckConstraint(condition=models.Q(models.Q(('status', 'asked'), _negated=True), ('asked_at__isnull', False), _connector='OR'), name='asked_has_its_time'), models.CheckConstraint(condition=models.Q(models.Q(('status', 'answered'), _negated=True), ('answered_at__isnull', False), _connector='OR'), name='answered_check_in_has_its_time'), models.CheckConstraint(condition=models.Q(models.Q(('status__in', ['skipped', 'ended']), _negated=True), ('ended_at__isnull', False), _connector='OR'), name='ended_check_in_has_its_time'), models.CheckConstraint(condition=models.Q(('token_hmac__isnull', True), ('link_ends_at__isnull', False), _connector='OR'), name='a_link_has_its_end')],
            },
        ),
        migrations.CreateModel(
            name='CheckInRule',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('question_type', models.CharField(blank=True, choices=[('directional', 'directional'), ('known_item', 'known item'), ('reference', 'reference'), ('readers_advisory', "readers' advisory"), ('technology', 'technology help'), ('referral', 'referral'), ('consultation', 'consultation')], help_text='blank in the rule of a topic', max_length=20)),
                ('since', models.CharField(choices=[('visit', 'the visit'), ('got_it', 'the patron\'s "I\'ve got it"'), ('never', 'never ask')], max_length=8)),
                ('days', models.PositiveSmallIntegerField(blank=True, null=True, validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(180)], verbose_name='days')),
                ('topic', models.OneToOneField(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='check_in_rule', to='recommendations.topic')),
            ],
            options={
                'constraints': [models.CheckConstraint(condition=models.Q(models.Q(('question_type', ''), ('topic__isnull', False)), models.Q(('topic__isnull', True), models.Q(('question_type', ''), _negated=True)), _connector='OR'), name='a_rule_for_a_topic_or_a_question_type'), models.UniqueConstraint(condition=models.Q(('question_type', ''), _negated=True), fields=('question_type',), name='one_rule_for_a_question_type'), models.CheckConstraint(condition=models.Q(models.Q(('days__isnull', True), ('since', 'never')), models.Q(('days__gte', 1), ('days__lte', 180), ('since__in', ['visit', 'got_it'])), _connector='OR'), name='a_rule_has_its_days')],
            },
        ),
    ]
