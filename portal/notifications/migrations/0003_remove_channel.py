from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("notifications", "0002_mails_whose_address_is_forgotten")]

    operations = [migrations.RemoveField(model_name="notification", name="channel")]
