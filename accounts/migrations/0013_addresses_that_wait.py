import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    """Replace the table of address changes that can be undone.

    The new table has the address changes that are pending. The rows of the old table are deleted, because
    their changes have already been made.
    """

    dependencies = [
        ('accounts', '0012_children'),
    ]

    operations = [
        migrations.DeleteModel(name='AddressChange'),
        migrations.CreateModel(
            name='AddressChange',
            fields=[
                ('person', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='+', serialize=False, to=settings.AUTH_USER_MODEL)),
                ('email', models.EmailField(max_length=254)),
                ('token_hash', models.CharField(max_length=64, unique=True)),
                ('begun_at', models.DateTimeField(db_index=True)),
            ],
        ),
    ]
