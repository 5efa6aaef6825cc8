from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("counts", "0010_fill_totals_of_one_column")]

    operations = [migrations.DeleteModel(name="MonthTotal")]
