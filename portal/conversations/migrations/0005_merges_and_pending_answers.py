from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    """Rename columns. First remove the constraint and the index that contain the old names."""

    dependencies = [("conversations", "0004_erased_writers")]

    operations = [
        migrations.RemoveConstraint("conversation", "joined_is_closed"),
        migrations.RemoveIndex("conversation", "holding_an_answer"),
        migrations.RenameField("conversation", "joined_into", "merged_into"),
        migrations.RenameField("conversation", "held_from", "pending_from"),
        migrations.RenameField("conversation", "held_status", "patron_status"),
        migrations.AddConstraint(
            "conversation",
            models.CheckConstraint(
                condition=Q(merged_into__isnull=True) | Q(status="closed"), name="merged_is_closed"
            ),
        ),
        migrations.AddIndex(
            "conversation",
            models.Index(
                fields=["pending_from"], name="pending_answers", condition=Q(pending_from__isnull=False)
            ),
        ),
    ]
