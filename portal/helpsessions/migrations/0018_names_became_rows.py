from django.db import migrations


class Migration(migrations.Migration):
    """Remove the columns of names. PostgreSQL refuses this in the transaction that created rows for them."""

    dependencies = [
        ("helpsessions", "0017_patron_groups_and_service_points"),
    ]

    operations = [
        migrations.RemoveField("helpsession", "service_point_name"),
        migrations.RemoveField("helpsession", "card_group"),
    ]
