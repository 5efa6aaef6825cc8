from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("lists", "0012_links_of_staff")]

    operations = [
        migrations.AddField(
            model_name="saveditem",
            name="from_link",
            field=models.BooleanField(
                db_default=False,
                default=False,
                help_text="copied from a link, so a call number that staff typed for another patron isn't shown",
            ),
        ),
    ]
