import accounts.models
import django.db.models.deletion
import django.utils.timezone
import uuid
from django.conf import settings
from django.db import migrations, models
from django.db.models import F, OuterRef, Subquery
from django.db.models.functions import Coalesce


def fill(apps, schema_editor):
    """Fill the new fields of existing rows.

    Until now, patrons saw a message or an event at once, and the queue was sorted by `waiting_since`.
    """
    Conversation, Message, Event = (apps.get_model("conversations", name) for name in ("Conversation", "Message", "Event"))
    Message.objects.update(shown_from=F("sent_at"))
    Message.objects.filter(side="staff").update(then="turn")
    Event.objects.update(shown_from=F("at"))
    Conversation.objects.update(queued_at=Coalesce("waiting_since", "closed_at", "last_message_at", "opened_at"))
    Conversation.objects.filter(assignee__isnull=False).update(assigned_at=F("opened_at"))
    HelpSession = apps.get_model("helpsessions", "HelpSession")
    Conversation.objects.update(topic=Subquery(HelpSession.objects.filter(pk=OuterRef("help_session")).values("topic")[:1]))
    if schema_editor.connection.vendor == "postgresql":
        # PostgreSQL can't alter a table while foreign keys of changed rows are still to be checked. Check them now.
        schema_editor.execute("SET CONSTRAINTS ALL IMMEDIATE")


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0002_absences'),
        ('conversations', '0001_initial'),
        ('helpsessions', '0001_initial'),
        ('recommendations', '0002_text_index'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Attachment',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('public_id', models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ('client_token', models.UUIDField()),
                ('side', models.CharField(choices=[('patron', 'the patron'), ('staff', 'the library')], max_length=8)),
                ('kind', models.CharField(choices=[('picture', 'picture'), ('pdf', 'PDF')], max_length=8)),
                ('file', models.FileField(max_length=120, storage=accounts.models.private_storage, upload_to='')),
                ('preview', models.FileField(blank=True, help_text='a small picture of the picture', max_length=120, storage=accounts.models.private_storage, upload_to='')),
                ('name', models.CharField(help_text='what its owner called it; never where it is kept', max_length=120)),
                ('alt', models.CharField(blank=True, help_text="what can be seen in it, for those who can't", max_length=300)),
                ('size', models.PositiveIntegerField(help_text='bytes, preview included')),
                ('width', models.PositiveIntegerField(blank=True, null=True)),
                ('height', models.PositiveIntegerField(blank=True, null=True)),
                ('added_at', models.DateTimeField()),
            ],
            options={
                'ordering': ['added_at', 'pk'],
            },
        ),
        migrations.CreateModel(
            name='BranchQueue',
            fields=[
                ('branch', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='+', serialize=False, to='accounts.branch')),
                ('version', models.PositiveIntegerField(default=0)),
                ('next_at', models.DateTimeField(blank=True, help_text="when the last verdict's minute of grace is over: it shows then", null=True)),
            ],
        ),
        migrations.CreateModel(
            name='ConversationNote',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('public_id', models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ('body', models.TextField()),
                ('written_at', models.DateTimeField()),
                ('client_token', models.UUIDField(help_text='one composer, one note')),
            ],
        ),
        migrations.CreateModel(
            name='DeskEvent',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('taken', 'taken'), ('assigned', 'assigned'), ('unassigned', 'unassigned'), ('released', 'released: it lay too long'), ('handed_over', 'handed to another branch'), ('snoozed', 'put off'), ('woken', 'came back'), ('closed', 'closed before a word was written'), ('logged', 'logged as a contact'), ('erased', 'erased')], max_length=12)),
                ('until', models.DateField(blank=True, help_text='until which day it was put off', null=True)),
                ('at', models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name='Draft',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('reply', 'reply'), ('note', 'note'), ('ask', 'question')], max_length=8)),
                ('side', models.CharField(choices=[('patron', 'the patron'), ('staff', 'the library')], max_length=8)),
                ('client_token', models.UUIDField(help_text="the composer's: sent from two devices it is one message")),
                ('body', models.TextField(blank=True)),
                ('language', models.CharField(blank=True, max_length=12)),
                ('typed', models.JSONField(default=dict, help_text='the other fields of the composer by name, as typed')),
                ('sequence', models.PositiveIntegerField()),
                ('saved_at', models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name='NoteMention',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('seen_at', models.DateTimeField(blank=True, null=True)),
            ],
        ),
        migrations.CreateModel(
            name='ReadersForm',
            fields=[
                ('conversation', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='readers_form', serialize=False, to='conversations.conversation')),
                ('loved', models.TextField(blank=True)),
                ('mood', models.CharField(blank=True, max_length=200)),
                ('avoid', models.CharField(blank=True, max_length=400)),
                ('for_whom', models.CharField(blank=True, max_length=200)),
                ('formats', models.CharField(blank=True, max_length=200)),
            ],
        ),
        migrations.CreateModel(
            name='ReplyTemplate',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('public_id', models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ('language', models.CharField(max_length=12, verbose_name='language')),
                ('name', models.CharField(max_length=80, verbose_name='name')),
                ('body', models.TextField(verbose_name='text')),
                ('changed_at', models.DateTimeField()),
            ],
            options={
                'ordering': ['name', 'language', 'pk'],
            },
        ),
        migrations.RemoveConstraint(
            model_name='conversation',
            name='known_conversation_status',
        ),
        migrations.RemoveConstraint(
            model_name='conversation',
            name='waiting_since_while_waiting',
        ),
        migrations.RemoveConstraint(
            model_name='conversation',
            name='closed_has_its_time',
        ),
        migrations.RemoveConstraint(
            model_name='message',
            name='known_side',
        ),
        migrations.RemoveConstraint(
            model_name='participation',
            name='one_participation_per_person',
        ),
        migrations.RemoveIndex(
            model_name='conversation',
            name='queue',
        ),
        migrations.RemoveIndex(
            model_name='conversation',
            name='queue_of_assignee',
        ),
        migrations.AddField(
            model_name='conversation',
            name='assigned_at',
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name='conversation',
            name='closes_at',
            field=models.DateTimeField(blank=True, help_text='when it closes by itself, unless the patron writes', null=True),
        ),
        migrations.AddField(
            model_name='conversation',
            name='desk_version',
            field=models.PositiveIntegerField(default=0, help_text='raised by everything: what an open page at the desk polls'),
        ),
        migrations.AddField(
            model_name='conversation',
            name='held_from',
            field=models.DateTimeField(blank=True, help_text="shown_from of the first answer that isn't in `version` and `last_message_at` yet", null=True),
        ),
        migrations.AddField(
            model_name='conversation',
            name='held_status',
            field=models.CharField(blank=True, help_text='what the patron reads as its state until all held answers are shown', max_length=20),
        ),
        migrations.AddField(
            model_name='conversation',
            name='changed_at',
            field=models.DateTimeField(blank=True, help_text="the last change; the next one comes after it, whoever's clock says what", null=True),
        ),
        migrations.AddField(
            model_name='conversation',
            name='joined_into',
            field=models.ForeignKey(blank=True, help_text='where its messages went', null=True, on_delete=django.db.models.deletion.CASCADE, related_name='joined', to='conversations.conversation'),
        ),
        migrations.AddField(
            model_name='conversation',
            name='logged_as',
            field=models.ForeignKey(blank=True, help_text='the contact as which the answer was counted', null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='helpsessions.helpsession'),
        ),
        migrations.AddField(
            model_name='conversation',
            name='queued_at',
            field=models.DateTimeField(default=django.utils.timezone.now, help_text="its place in the desk's lists: waiting since, answered at, put off at, closed at"),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name='conversation',
            name='snoozed_until',
            field=models.DateField(blank=True, help_text="the library's day on which it comes back", null=True),
        ),
        migrations.AddField(
            model_name='conversation',
            name='topic',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='recommendations.topic'),
        ),
        migrations.AddField(
            model_name='event',
            name='message',
            field=models.ForeignKey(blank=True, help_text='the message that brought it about', null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='conversations.message'),
        ),
        migrations.AddField(
            model_name='event',
            name='shown_from',
            field=models.DateTimeField(default=django.utils.timezone.now, help_text='from when the patron may see it'),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name='event',
            name='waiting_since',
            field=models.DateTimeField(blank=True, help_text='of a join: the first that was unanswered in either thread', null=True),
        ),
        migrations.AddField(
            model_name='message',
            name='shown_from',
            field=models.DateTimeField(default=django.utils.timezone.now, help_text='from when the patron may see it'),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name='message',
            name='then',
            field=models.CharField(blank=True, choices=[('turn', 'wait for the patron'), ('ours', 'stay in the queue: more is to come'), ('close', 'close the conversation')], help_text='of an answer: what the thread does after it', max_length=8),
        ),
        migrations.AddField(
            model_name='participation',
            name='seen_at',
            field=models.DateTimeField(blank=True, help_text='when the page was last open before them; of staff alone', null=True),
        ),
        migrations.AddField(
            model_name='participation',
            name='side',
            field=models.CharField(choices=[('patron', 'the patron'), ('staff', 'the library')], default='patron', max_length=8),
        ),
        migrations.AddField(
            model_name='participation',
            name='writing_at',
            field=models.DateTimeField(blank=True, help_text='when they last wrote in the composer; of staff alone', null=True),
        ),
        migrations.AlterField(
            model_name='conversation',
            name='assignee',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='assigned_conversations', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AlterField(
            model_name='conversation',
            name='last_message_at',
            field=models.DateTimeField(blank=True, help_text='shown_from of the last message the patron may see', null=True),
        ),
        migrations.AlterField(
            model_name='conversation',
            name='reason',
            field=models.CharField(choices=[('asked', 'asked'), ('did_not_help', 'did not help'), ('could_not_get_it', 'could not get it'), ('readers_advisory', 'something to read'), ('came_back', 'came back')], max_length=20),
        ),
        migrations.AlterField(
            model_name='conversation',
            name='status',
            field=models.CharField(choices=[('waiting_for_staff', 'waiting for the library'), ('waiting_for_patron', 'waiting for you'), ('snoozed', 'put off until a day'), ('closed', 'closed'), ('erased', 'erased')], max_length=20),
        ),
        migrations.AlterField(
            model_name='conversation',
            name='subject',
            field=models.CharField(blank=True, help_text='blank only once it is erased', max_length=200),
        ),
        migrations.AlterField(
            model_name='conversation',
            name='waiting_since',
            field=models.DateTimeField(blank=True, help_text='first unanswered message or verdict; null where nothing is unanswered', null=True),
        ),
        migrations.AlterField(
            model_name='event',
            name='kind',
            field=models.CharField(choices=[('closed', 'closed'), ('closed_by_itself', 'closed by itself'), ('reopened', 'reopened'), ('joined', 'joined with another')], max_length=20),
        ),
        migrations.AlterField(
            model_name='participation',
            name='read_until',
            field=models.DateTimeField(blank=True, help_text='shown_from (at the desk: sent_at) of the last message this person has seen', null=True),
        ),
        migrations.AddIndex(
            model_name='conversation',
            index=models.Index(fields=['branch', 'status', 'queued_at', 'id'], name='desk_lists'),
        ),
        migrations.AddIndex(
            model_name='conversation',
            index=models.Index(condition=models.Q(('assignee__isnull', False)), fields=['assignee', 'status', 'queued_at', 'id'], name='desk_lists_of_assignee'),
        ),
        migrations.AddIndex(
            model_name='conversation',
            index=models.Index(condition=models.Q(('status', 'snoozed')), fields=['snoozed_until'], name='asleep'),
        ),
        migrations.AddIndex(
            model_name='conversation',
            index=models.Index(condition=models.Q(('closes_at__isnull', False)), fields=['closes_at'], name='closing_by_themselves'),
        ),
        migrations.AddIndex(
            model_name='conversation',
            index=models.Index(condition=models.Q(('held_from__isnull', False)), fields=['held_from'], name='holding_an_answer'),
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
        migrations.AddConstraint(
            model_name='conversation',
            constraint=models.CheckConstraint(condition=models.Q(('status__in', ['waiting_for_staff', 'waiting_for_patron', 'snoozed', 'closed', 'erased'])), name='known_conversation_status'),
        ),
        migrations.AddConstraint(
            model_name='conversation',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('status', 'waiting_for_staff'), ('waiting_since__isnull', False)), ('status', 'snoozed'), models.Q(models.Q(('status__in', ['waiting_for_staff', 'snoozed']), _negated=True), ('waiting_since__isnull', True)), _connector='OR'), name='waiting_since_while_waiting'),
        ),
        migrations.AddConstraint(
            model_name='conversation',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('snoozed_until__isnull', False), ('status', 'snoozed')), models.Q(models.Q(('status', 'snoozed'), _negated=True), ('snoozed_until__isnull', True)), _connector='OR'), name='snoozed_has_its_day'),
        ),
        migrations.AddConstraint(
            model_name='conversation',
            constraint=models.CheckConstraint(condition=models.Q(('status', 'waiting_for_patron'), ('closes_at__isnull', True), _connector='OR'), name='only_what_waits_for_the_patron_closes_by_itself'),
        ),
        migrations.AddConstraint(
            model_name='conversation',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('closed_at__isnull', False), ('status__in', ['closed', 'erased'])), models.Q(models.Q(('status__in', ['closed', 'erased']), _negated=True), ('closed_at__isnull', True)), _connector='OR'), name='closed_has_its_time'),
        ),
        migrations.AddConstraint(
            model_name='conversation',
            constraint=models.CheckConstraint(condition=models.Q(('joined_into__isnull', True), ('status', 'closed'), _connector='OR'), name='joined_is_closed'),
        ),
        migrations.AddConstraint(
            model_name='conversation',
            constraint=models.CheckConstraint(condition=models.Q(('assignee__isnull', True), ('assigned_at__isnull', False), _connector='OR'), name='assigned_has_its_time'),
        ),
        migrations.AddConstraint(
            model_name='message',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('side', 'patron'), ('then', '')), models.Q(('side', 'staff'), ('then__in', ['turn', 'ours', 'close'])), _connector='OR'), name='known_side'),
        ),
        migrations.AddConstraint(
            model_name='message',
            constraint=models.CheckConstraint(condition=models.Q(('shown_from__gte', models.F('sent_at'))), name='shown_once_sent'),
        ),
        migrations.AddConstraint(
            model_name='participation',
            constraint=models.UniqueConstraint(fields=('conversation', 'person', 'side'), name='one_participation_per_person'),
        ),
        migrations.AddConstraint(
            model_name='participation',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('person__isnull', False), ('side', 'staff')), models.Q(('seen_at__isnull', True), ('side', 'patron'), ('writing_at__isnull', True)), _connector='OR'), name='only_staff_are_seen'),
        ),
        migrations.AddField(
            model_name='attachment',
            name='added_by',
            field=models.ForeignKey(blank=True, help_text='null: the holder of the code', null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='attachment',
            name='conversation',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='attachments', to='conversations.conversation'),
        ),
        migrations.AddField(
            model_name='attachment',
            name='message',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='attachments', to='conversations.message'),
        ),
        migrations.AddField(
            model_name='conversationnote',
            name='author',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='conversationnote',
            name='conversation',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='notes', to='conversations.conversation'),
        ),
        migrations.AddField(
            model_name='deskevent',
            name='branch',
            field=models.ForeignKey(blank=True, help_text='to which branch it went', null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='accounts.branch'),
        ),
        migrations.AddField(
            model_name='deskevent',
            name='by',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='deskevent',
            name='conversation',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='desk_events', to='conversations.conversation'),
        ),
        migrations.AddField(
            model_name='deskevent',
            name='to',
            field=models.ForeignKey(blank=True, help_text='whose it became', null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='deskevent',
            name='was',
            field=models.ForeignKey(blank=True, help_text='whose it had been', null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='draft',
            name='conversation',
            field=models.ForeignKey(blank=True, help_text='null: of a new question', null=True, on_delete=django.db.models.deletion.CASCADE, related_name='drafts', to='conversations.conversation'),
        ),
        migrations.AddField(
            model_name='draft',
            name='person',
            field=models.ForeignKey(blank=True, help_text='null: the holder of the code', null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='notemention',
            name='note',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='mentions', to='conversations.conversationnote'),
        ),
        migrations.AddField(
            model_name='notemention',
            name='person',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='note_mentions', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='replytemplate',
            name='branch',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='accounts.branch', verbose_name='branch'),
        ),
        migrations.AddIndex(
            model_name='message',
            index=models.Index(fields=['conversation', 'shown_from', 'id'], name='as_shown_to_the_patron'),
        ),
        migrations.AddIndex(
            model_name='attachment',
            index=models.Index(condition=models.Q(('message__isnull', True)), fields=['added_at'], name='attachments_not_sent'),
        ),
        migrations.AddIndex(
            model_name='conversationnote',
            index=models.Index(fields=['conversation', 'written_at', 'id'], name='conversatio_convers_8a658f_idx'),
        ),
        migrations.AddConstraint(
            model_name='conversationnote',
            constraint=models.UniqueConstraint(fields=('conversation', 'client_token'), name='one_note_per_token'),
        ),
        migrations.AddIndex(
            model_name='deskevent',
            index=models.Index(fields=['conversation', 'at'], name='conversatio_convers_ed2e44_idx'),
        ),
        migrations.AddIndex(
            model_name='draft',
            index=models.Index(fields=['saved_at'], name='drafts_by_age'),
        ),
        migrations.AddConstraint(
            model_name='draft',
            constraint=models.UniqueConstraint(fields=('conversation', 'person', 'side', 'kind'), name='one_draft_per_person'),
        ),
        migrations.AddConstraint(
            model_name='draft',
            constraint=models.UniqueConstraint(condition=models.Q(('person__isnull', True)), fields=('conversation', 'kind'), name='one_draft_by_code'),
        ),
        migrations.AddConstraint(
            model_name='draft',
            constraint=models.UniqueConstraint(condition=models.Q(('conversation__isnull', True)), fields=('person', 'kind'), name='one_draft_of_a_question'),
        ),
        migrations.AddConstraint(
            model_name='draft',
            constraint=models.CheckConstraint(condition=models.Q(('person__isnull', False), models.Q(('conversation__isnull', False), ('side', 'patron')), _connector='OR'), name='a_draft_is_somebodys'),
        ),
        migrations.AddIndex(
            model_name='notemention',
            index=models.Index(condition=models.Q(('seen_at__isnull', True)), fields=['person'], name='unseen_mentions'),
        ),
        migrations.AddConstraint(
            model_name='notemention',
            constraint=models.UniqueConstraint(fields=('note', 'person'), name='one_mention_per_person'),
        ),
        migrations.AddConstraint(
            model_name='replytemplate',
            constraint=models.UniqueConstraint(fields=('branch', 'language', 'name'), name='one_reply_template_per_name'),
        ),
        migrations.AddConstraint(
            model_name='replytemplate',
            constraint=models.UniqueConstraint(condition=models.Q(('branch__isnull', True)), fields=('language', 'name'), name='one_reply_template_per_name_for_all'),
        ),
    ]
