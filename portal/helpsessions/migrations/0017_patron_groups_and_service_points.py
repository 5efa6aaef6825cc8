import django.db.models.deletion
from django.db import migrations, models
from django.utils import timezone


def fill(apps, schema_editor):
    """Create a row for each name that help sessions have, so that no count is lost.

    The patron groups are not offered until a coordinator offers them.
    """
    if schema_editor.connection.vendor == "postgresql":
        # PostgreSQL makes no index while checks of foreign keys wait for the end of the transaction.
        schema_editor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    session = apps.get_model("helpsessions", "HelpSession")
    points = session.objects.exclude(service_point_name="").values_list("branch_id", "service_point_name")
    point_model = apps.get_model("helpsessions", "ServicePoint")
    known = {}
    for branch, name in points.distinct().order_by("branch_id", "service_point_name"):
        key = branch, name.casefold()
        if key not in known:
            known[key] = point_model.objects.create(branch_id=branch, name=name)
        named = session.objects.filter(branch_id=branch, service_point_name=name)
        named.update(service_point=known[key])
    names = session.objects.exclude(card_group="").values_list("card_group", flat=True)
    names = sorted(names.distinct())
    if not names:
        return
    group_model = apps.get_model("helpsessions", "PatronGroup")
    other = group_model.objects.create(name="Other", is_other=True)
    groups = {"other": other}
    for name in names:
        key = name[:60].strip().casefold()
        if key not in groups:
            groups[key] = group_model.objects.create(
                name=name[:60].strip(), card_groups=[name], retired_at=timezone.now()
            )
        named = session.objects.filter(card_group=name)
        named.update(patron_group=groups[key], is_group_from_card=True)


class Migration(migrations.Migration):

    dependencies = [
        ("accounts", "0034_key_mark"),
        ("helpsessions", "0016_by_link_is_about_found"),
    ]

    operations = [
        migrations.CreateModel(
            name="PatronGroup",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=60, unique=True, verbose_name="name")),
                ("card_groups", models.JSONField(blank=True, default=list, help_text="the names of the groups on library cards that are this group")),
                ("is_other", models.BooleanField(default=False)),
                ("retired_at", models.DateTimeField(blank=True, null=True, verbose_name="no longer offered since")),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(condition=models.Q(("is_other", True)), fields=("is_other",), name="one_group_for_others"),
                ],
            },
        ),
        migrations.CreateModel(
            name="ServicePoint",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=60, verbose_name="name")),
                ("retired_at", models.DateTimeField(blank=True, null=True, verbose_name="no longer offered since")),
                ("branch", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="service_points", to="accounts.branch")),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("branch", "name"), name="one_service_point_per_name"),
                ],
            },
        ),
        migrations.RenameField("helpsession", "service_point", "service_point_name"),
        migrations.RenameField("helpsession", "patron_group", "card_group"),
        migrations.AddField(
            model_name="helpsession",
            name="service_point",
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="helpsessions.servicepoint", verbose_name="service point"),
        ),
        migrations.AddField(
            model_name="helpsession",
            name="patron_group",
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="helpsessions.patrongroup", verbose_name="patron group"),
        ),
        migrations.AddField(
            model_name="helpsession",
            name="is_group_from_card",
            field=models.BooleanField(default=False, help_text="`patron_group` came from the library card of the patron, not from staff"),
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
