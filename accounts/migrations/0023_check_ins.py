from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0022_forms_that_wait_in_a_browser'),
    ]

    operations = [
        migrations.AddField(
            model_name='branch',
            name='check_in_tone',
            field=models.CharField(choices=[('warm', 'warm'), ('plain', 'plain'), ('brief', 'brief')], default='warm', max_length=8),
        ),
        migrations.AddField(
            model_name='branch',
            name='check_ins_unreviewed',
            field=models.BooleanField(default=False, help_text="whether check-ins that nobody reviewed go out, in the branch's name"),
        ),
        migrations.AddField(
            model_name='library',
            name='check_ins',
            field=models.BooleanField(default=False, help_text='whether staff ask patrons later how their visits turned out'),
        ),
        migrations.AddField(
            model_name='library',
            name='check_ins_of_children',
            field=models.BooleanField(default=False, help_text='whether a child with a confirmed address is asked by email'),
        ),
        migrations.AddField(
            model_name='user',
            name='check_in_titles',
            field=models.BooleanField(default=False, help_text='whether emails about check-ins, and their links, may name items'),
        ),
        migrations.AddField(
            model_name='user',
            name='check_ins',
            field=models.CharField(blank=True, choices=[('email', 'by email'), ('pages', 'only on these pages'), ('none', "don't ask")], default='', help_text='blank if they have never chosen', max_length=8),
        ),
        migrations.AddField(
            model_name='user',
            name='died_at',
            field=models.DateTimeField(blank=True, help_text='when staff noted that the person has died, so nobody writes to them', null=True),
        ),
        migrations.AlterField(
            model_name='consent',
            name='purpose',
            field=models.CharField(choices=[('keep_session', 'keep a visit in my library account'), ('remember', 'how long the library keeps my visits'), ('check_ins', 'how the library may ask me later how things turned out'), ('check_in_titles', 'emails that ask me may show titles'), ('quote', 'share my words with the person who helped me')], max_length=30),
        ),
        migrations.AddConstraint(
            model_name='branch',
            constraint=models.CheckConstraint(condition=models.Q(('check_in_tone__in', ['warm', 'plain', 'brief'])), name='known_tone'),
        ),
        migrations.AddConstraint(
            model_name='user',
            constraint=models.CheckConstraint(condition=models.Q(('check_ins__in', ['', 'email', 'pages', 'none'])), name='known_choice_of_check_ins'),
        ),
    ]
