import uuid

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0027_call_tries'),
        ('usersessions', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='KeptDevice',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('public_id', models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ('added_at', models.DateTimeField()),
                ('reached_at', models.DateTimeField(help_text='when the device last asked which pages it may keep')),
                ('sign_in', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name='kept_device', to='usersessions.usersession')),
            ],
        ),
    ]
