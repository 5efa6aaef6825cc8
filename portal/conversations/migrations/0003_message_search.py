"""Add the words of conversations and a full-text index of these words.

No trigger updates the index, because portal/conversations/search.py does. Python folds the words, as in migration
0002 of recommendations. So FTS5 needs only its simplest tokenizer, and PostgreSQL's parser isn't used. The FTS5 table
has no copy of the words, but reads them from the rows.
"""

import django.db.models.deletion
from django.db import migrations, models

from portal.folding import fold

ON_SQLITE = (
    "CREATE VIRTUAL TABLE conversations_text USING fts5(words, content = 'conversations_conversationwords', content_rowid = 'id', "
    "tokenize = 'ascii', prefix = '1 2 3', detail = 'none')"
)
ON_POSTGRESQL = (
    "CREATE INDEX conversations_all_words ON conversations_conversationwords USING gin "
    "(array_to_tsvector(array_remove(string_to_array(words, ' '), '')))"
)


def create(apps, schema_editor):
    Conversation, Message, Words = (apps.get_model("conversations", name) for name in ("Conversation", "Message", "ConversationWords"))
    MessageRecommendation = apps.get_model("conversations", "MessageRecommendation")
    schema_editor.execute(ON_SQLITE if schema_editor.connection.vendor == "sqlite" else ON_POSTGRESQL)
    titles = {}
    given = MessageRecommendation.objects.order_by("pk").values_list("message__conversation", "recommendation__item__title")
    for thread, title in given:
        titles.setdefault(thread, []).append(title)
    rows = []
    for thread in Conversation.objects.select_related("patron", "recommendation__item").order_by("pk").iterator():
        name = thread.patron.name if thread.patron else ""
        hung_on = [thread.recommendation.item.title] if thread.recommendation else []
        rows.append(Words(conversation=thread, name=name, words=fold(" ".join([thread.subject, name, *hung_on, *titles.get(thread.pk, [])]))))
    for message in Message.objects.order_by("pk").iterator():
        rows.append(Words(conversation_id=message.conversation_id, message=message, words=fold(message.body)))
    Words.objects.bulk_create(rows, batch_size=1000)
    if schema_editor.connection.vendor == "sqlite":
        schema_editor.execute("INSERT INTO conversations_text (conversations_text) VALUES ('rebuild')")


def drop(apps, schema_editor):
    if schema_editor.connection.vendor == "sqlite":
        schema_editor.execute("DROP TABLE conversations_text")
    else:
        schema_editor.execute("DROP INDEX conversations_all_words")


class Migration(migrations.Migration):
    dependencies = [("conversations", "0002_threads_that_are_worked_on"), ("recommendations", "0002_text_index")]

    operations = [
        migrations.CreateModel(
            name='ConversationWords',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(blank=True, help_text='of the patron, as it was when the row was written', max_length=200)),
                ('words', models.TextField()),
                ('conversation', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='words', to='conversations.conversation')),
                ('message', models.OneToOneField(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='conversations.message')),
            ],
            options={
                'verbose_name_plural': 'conversation words',
            },
        ),
        migrations.AddConstraint(
            model_name='conversationwords',
            constraint=models.UniqueConstraint(condition=models.Q(('message__isnull', True)), fields=('conversation',), name='one_row_of_words_per_thread'),
        ),
        migrations.RunPython(create, drop),
    ]
