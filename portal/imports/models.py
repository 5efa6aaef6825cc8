"""The models of imports: harvests, the process that imports right now, and desk logs from other systems."""

import datetime
import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from accounts.models import User, private_storage
from portal.counts.models import LogImport
from portal.helpsessions.models import HelpSession
from recommendations.models import Item

# The maximum length of a record's OAI identifier. A record with a longer one can't be harvested.
IDENTIFIER_MAX = 500


def settings_of_harvests():
    """Return {field of Harvest: value} for the fields whose values are settings."""
    return {
        "server": settings.OAI_URL,
        "prefix": settings.OAI_PREFIX,
        "sets": settings.OAI_SETS,
        "source": settings.OAI_SOURCE,
    }


class HarvestQuerySet(models.QuerySet):
    def of_settings(self):
        """Return the harvests of the server, prefix, sets and source that the settings name now."""
        return self.filter(**settings_of_harvests())

    def complete(self):
        return self.filter(state=Harvest.State.COMPLETE)


class Harvest(models.Model):
    """One harvest: the records of the server, read once. It may need several runs of `manage.py harvest`.

    Its list is read in pages. After each page, the row says where the next run continues.
    """

    class State(models.TextChoices):
        UNFINISHED = "unfinished", _("not finished")
        COMPLETE = "complete", _("complete")
        ABANDONED = "abandoned", _("abandoned")

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    server = models.CharField(max_length=600)
    prefix = models.CharField(max_length=80)
    sets = models.JSONField(default=list, help_text="the sets to list; empty for all records")
    source = models.CharField(max_length=40, help_text="the source of its items")
    is_full = models.BooleanField(help_text="whether it lists all records, not only the changed ones")
    since = models.CharField(max_length=20, blank=True, help_text="the date from which it lists changes")
    server_time = models.DateTimeField(
        null=True, blank=True, help_text="what the server's clock showed when its first page came"
    )
    state = models.CharField(max_length=10, choices=State, default=State.UNFINISHED)
    problem = models.TextField(blank=True, help_text="why the last run stopped, or what was not done")
    started_at = models.DateTimeField()
    run_at = models.DateTimeField(help_text="when its last page was saved")
    ended_at = models.DateTimeField(null=True, blank=True)
    set_number = models.PositiveIntegerField(default=0, help_text="which of the sets is listed, from 0")
    token = models.TextField(blank=True, help_text="with which the server continues the list")
    listed = models.PositiveIntegerField(default=0, help_text="records of the current list so far")
    list_size = models.PositiveIntegerField(
        null=True, blank=True, help_text="how many records the current list has, as the server says"
    )
    read = models.PositiveIntegerField(default=0, help_text="records of all its lists so far")
    added = models.PositiveIntegerField(default=0)
    changed = models.PositiveIntegerField(default=0)
    withdrawn = models.PositiveIntegerField(default=0)
    returned = models.PositiveIntegerField(default=0, help_text="withdrawn items that came back")
    faults = models.PositiveIntegerField(default=0)
    first_faults = models.JSONField(default=list, help_text="[identifier, reason] of the first faults")
    found_missing = models.BooleanField(
        default=False, help_text="whether records that the lists no longer have were withdrawn"
    )

    objects = HarvestQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["-started_at", "-id"], name="harvests_newest_first")]

    def __str__(self):
        return f"harvest of {self.started_at:%Y-%m-%d %H:%M}"

    @property
    def size(self):
        """Return how many records this list and the earlier lists of the harvest have.

        Return None if the server doesn't say how many.
        """
        return self.read - self.listed + self.list_size if self.list_size else None


class HarvestedRecord(models.Model):
    """A record on the server, and the item that was made from it.

    For a deleted record, the server sends only the identifier. This row then says which item to withdraw.
    """

    source = models.CharField(max_length=40)
    identifier = models.CharField(max_length=IDENTIFIER_MAX, help_text="the OAI identifier")
    item = models.ForeignKey(Item, on_delete=models.CASCADE, related_name="harvested_records")
    is_deleted = models.BooleanField(default=False)
    seen_in = models.BigIntegerField(help_text="primary key of the last Harvest that listed the record")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["source", "identifier"], name="one_row_per_harvested_record")
        ]

    def __str__(self):
        return self.identifier


class CatalogLock(models.Model):
    """The process that imports or harvests now. There is at most one row. See lock.py."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    token = models.UUIDField(default=uuid.uuid4)
    work = models.CharField(max_length=200, help_text="what the process does")
    holder = models.CharField(max_length=80, help_text="the machine and the process")
    since = models.DateTimeField()
    alive_at = models.DateTimeField(help_text="when the process last said that it is running")

    def __str__(self):
        return self.work


class SavedMapping(models.Model):
    """What the columns and values of a desk log mean, saved under a name for the next file."""

    name = models.CharField(_("name"), max_length=60, unique=True)
    mapping = models.JSONField(default=dict)
    saved_at = models.DateTimeField()

    def __str__(self):
        return self.name


class ImportedRow(models.Model):
    """A row of a desk log that was imported as a help session.

    `identity` and `content` are HMACs, so this row contains no words of the log. `identity` is made of the
    number of the ticket or chat, if the log has one, or else of the content. Both HMACs include how many
    equal rows came before. If the log had only a band of minutes, the band is stored.
    """

    log_import = models.ForeignKey(LogImport, on_delete=models.CASCADE, related_name="imported_rows")
    help_session = models.OneToOneField(HelpSession, on_delete=models.CASCADE, related_name="imported_row")
    identity = models.CharField(max_length=32)
    content = models.CharField(max_length=32)
    minutes_from = models.PositiveSmallIntegerField(null=True, blank=True)
    minutes_to = models.PositiveSmallIntegerField(
        null=True, blank=True, help_text="null if the band has no upper end"
    )
    sealed = models.BinaryField(
        null=True,
        blank=True,
        help_text="what the counts have of the row, encrypted with a key that needs the number in the log",
    )
    replaced_in = models.ForeignKey(
        LogImport,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="replaced_rows",
        help_text="the import that had an edited version of the row",
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["identity"], condition=Q(replaced_in=None), name="one_current_row_per_identity"
            )
        ]

    def __str__(self):
        return self.identity


class LogUploadQuerySet(models.QuerySet):
    def at_desk_of(self, user):
        """Return the uploads of this coordinator. Nobody else can open them."""
        return self.filter(person=user)

    def with_task(self, at):
        """Return the uploads with a task that no process is working on, oldest first."""
        free = Q(leased_until=None) | Q(leased_until__lte=at)
        return self.exclude(task="").filter(free).order_by("uploaded_at", "pk")


class LogUpload(models.Model):
    """A desk log that a coordinator uploaded to import it.

    The log and the notes about it are private files, because they contain what people wrote. `notes` is a
    JSON file with the columns, the mapping and the result of the preview. `failed` is a CSV file with the
    failed rows. The row and its files are deleted at `kept_until` at the latest.
    """

    KEPT_FOR = datetime.timedelta(hours=24)

    class Task(models.TextChoices):
        READ = "read", _("reading the file")
        CHECK = "check", _("trying out the import")
        IMPORT = "import", _("importing")

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    person = models.ForeignKey(User, on_delete=models.CASCADE, related_name="log_uploads")
    name = models.CharField(max_length=120, help_text="the name of the file")
    size = models.PositiveBigIntegerField(help_text="bytes")
    language = models.CharField(max_length=12, help_text="the language of the texts in `notes`")
    file = models.FileField(storage=private_storage, max_length=120, blank=True)
    notes = models.FileField(storage=private_storage, max_length=120, blank=True)
    failed = models.FileField(storage=private_storage, max_length=120, blank=True)
    uploaded_at = models.DateTimeField()
    kept_until = models.DateTimeField()
    task = models.CharField(
        max_length=6, choices=Task, blank=True, help_text="what is to be done next without the person"
    )
    leased_until = models.DateTimeField(
        null=True, blank=True, help_text="when another process may do the task, if this one was killed"
    )
    rows = models.PositiveIntegerField(default=0)
    done = models.PositiveIntegerField(default=0, help_text="how many of the rows the task has read")
    problem = models.TextField(blank=True, help_text="why the file can't be imported")
    checked_at = models.DateTimeField(null=True, blank=True, help_text="when the preview was made")
    ended_at = models.DateTimeField(null=True, blank=True, help_text="when the import was complete")
    result = models.JSONField(default=dict, help_text="the numbers of the complete import")
    log_import = models.ForeignKey(
        LogImport, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )

    objects = LogUploadQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["uploaded_at", "id"], name="log_uploads_to_do", condition=~Q(task=""))
        ]

    def __str__(self):
        return f"upload {self.public_id}"

    @property
    def stored_names(self):
        """Return the names of the upload's private files."""
        return [field.name for field in (self.file, self.notes, self.failed) if field]
