import django.core.validators
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0015_plainer_texts'),
    ]

    operations = [
        migrations.AlterField(
            model_name='absence',
            name='cover',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='covers', to=settings.AUTH_USER_MODEL, verbose_name='covered by'),
        ),
        migrations.AlterField(
            model_name='auditevent',
            name='where',
            field=models.CharField(blank=True, choices=[('queue', 'from the queue'), ('search', 'from a search in the queue'), ('sessions', 'from the list of visits'), ('session', 'from a visit'), ('conversation', 'from a conversation'), ('people', 'from the People page'), ('code', 'with a code shown at the desk'), ('record', 'to record a visit')], help_text='the page of the desk; blank if unknown', max_length=12),
        ),
        migrations.AlterField(
            model_name='consent',
            name='purpose',
            field=models.CharField(choices=[('keep_session', 'keep a visit in my library account'), ('remember', 'how long the library keeps my visits')], max_length=30),
        ),
        migrations.AlterField(
            model_name='consent',
            name='read_by',
            field=models.ForeignKey(blank=True, help_text='the staff member who read it to them; null if they read it themselves', null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AlterField(
            model_name='consent',
            name='subject',
            field=models.UUIDField(help_text='the public id of the visit or person that the consent is about'),
        ),
        migrations.AlterField(
            model_name='deskpin',
            name='wrong_tries',
            field=models.PositiveSmallIntegerField(default=0, help_text='wrong PINs on all computers since they last used their second factor'),
        ),
        migrations.AlterField(
            model_name='invitation',
            name='email',
            field=models.EmailField(db_index=True, max_length=254, verbose_name='email'),
        ),
        migrations.AlterField(
            model_name='library',
            name='catalog_link',
            field=models.CharField(blank=True, help_text="The address of an item's page in your catalog. Write {isbn}, {title} or {number} where its value goes.", max_length=300, verbose_name='catalog link template'),
        ),
        migrations.AlterField(
            model_name='library',
            name='childrens_groups',
            field=models.CharField(blank=True, help_text='the ILS patron groups whose cards belong to children, one per line', max_length=1000),
        ),
        migrations.AlterField(
            model_name='library',
            name='closes_after_days',
            field=models.PositiveSmallIntegerField(default=14, help_text="Counted from the library's answer, if the patron doesn't reply. 0 means never.", validators=[django.core.validators.MaxValueValidator(365)], verbose_name='close conversations after (days)'),
        ),
        migrations.AlterField(
            model_name='library',
            name='desk_locks_after_minutes',
            field=models.PositiveSmallIntegerField(default=5, help_text='Counted from its last use.', validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(60)], verbose_name='lock a shared desk computer after (minutes)'),
        ),
        migrations.AlterField(
            model_name='library',
            name='released_after_days',
            field=models.PositiveSmallIntegerField(default=3, help_text="Counted from the day a staff member took it, if they don't answer. 0 means never.", validators=[django.core.validators.MaxValueValidator(90)], verbose_name='release untouched conversations after (days)'),
        ),
        migrations.AlterField(
            model_name='lookingreason',
            name='patron',
            field=models.ForeignKey(help_text='the patron who was looked up; deleting them deletes the reason, but not the event', null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AlterField(
            model_name='passkey',
            name='credential',
            field=models.BinaryField(help_text='WebAuthn attested credential data: the public key and identifiers'),
        ),
        migrations.AlterField(
            model_name='passkey',
            name='handle',
            field=models.UUIDField(help_text="the WebAuthn user handle: the person's public id at the time, before any merge"),
        ),
        migrations.AlterField(
            model_name='passkey',
            name='sign_count',
            field=models.PositiveBigIntegerField(help_text="the device's signature counter, or 0; a number that repeats comes from a copied passkey"),
        ),
        migrations.AlterField(
            model_name='shareddesk',
            name='wrong_tries',
            field=models.PositiveSmallIntegerField(default=0, help_text='wrong PINs of all staff since it was unlocked'),
        ),
        migrations.AlterField(
            model_name='user',
            name='child_since',
            field=models.DateTimeField(blank=True, help_text="when it became a child's record; null if it isn't one", null=True),
        ),
        migrations.AlterField(
            model_name='user',
            name='email',
            field=models.EmailField(blank=True, max_length=254, null=True, unique=True, verbose_name='email'),
        ),
        migrations.AlterField(
            model_name='user',
            name='has_shared_visits',
            field=models.BooleanField(default=False, help_text="a child's visit is or was shared with them; if not, pages skip that query"),
        ),
        migrations.AlterField(
            model_name='user',
            name='remember',
            field=models.CharField(choices=[('30', '30 days'), ('90', '90 days'), ('365', '365 days'), ('until', 'until a date'), ('nothing', "don't keep anything")], default='365', max_length=8),
        ),
        migrations.AlterField(
            model_name='user',
            name='remember_chosen_at',
            field=models.DateTimeField(blank=True, help_text='null if they have never chosen', null=True),
        ),
        migrations.AlterField(
            model_name='user',
            name='remember_until',
            field=models.DateField(blank=True, help_text='the last day on which visits are kept', null=True),
        ),
    ]
