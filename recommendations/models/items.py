"""Items, the recommendations of items to patrons, and the patrons' verdicts."""

import uuid

from django.db import models
from django.db.models import F, Prefetch, Q
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _

from accounts.models import Branch, User

from .holdings import Holding, Place
from .item_details import ItemDetails
from .topics import Topic


class QuestionType(models.TextChoices):
    """The types of question that libraries count. The wording of a verdict depends on the question type."""

    DIRECTIONAL = "directional", _("directional")
    KNOWN_ITEM = "known_item", _("known item")
    REFERENCE = "reference", _("reference")
    READERS_ADVISORY = "readers_advisory", _("readers' advisory")
    TECHNOLOGY = "technology", _("technology help")
    REFERRAL = "referral", _("referral")
    CONSULTATION = "consultation", _("consultation")


class ItemQuerySet(models.QuerySet):
    def of_records(self, source, keys):
        """Return the items that were imported from this source, and whose records have one of these keys."""
        # The index leaves out rows without a source. SQLite uses the index only if the query leaves them out
        # too.
        return self.filter(source=source, source_key__in=keys).exclude(source="")

    def belonging_to(self, viewer, at=None):
        """Return the items that this viewer may open as a patron at the time `at`.

        These items were recommended to the viewer in a visit or answer, or are in one of the viewer's lists.
        Items of lists that others have shared are opened through the link of the list: portal/lists/links.py.
        """
        given = Recommendation.objects.belonging_to(viewer, at).not_removed()
        # Include an item that staff recommend in place of an item that the patron couldn't get.
        is_theirs = Q(pk__in=given.values("item")) | Q(pk__in=given.values("next_step__other_item"))
        if viewer.person:
            in_lists = {"saved_lists__removed_at": None, "saved_lists__saved_items__removed_at": None}
            saved = User.objects.filter(saved_lists__patron=viewer.person, **in_lists)
            is_theirs |= Q(pk__in=saved.values("saved_lists__saved_items__item"))
        return self.filter(is_theirs)


class Item(ItemDetails):
    """Anything that can be recommended, such as a title in the catalog, an article, a person or an event.

    A title is the bibliographic record, not one copy with a barcode.
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    title = models.CharField(_("title"), max_length=400)
    creators = models.CharField(_("author or creator"), max_length=300, blank=True)
    original_title = models.CharField(
        max_length=400, blank=True, help_text="title in its original script, MARC 880"
    )
    original_creators = models.CharField(
        max_length=300,
        blank=True,
        default="",
        db_default="",
        help_text="creators in their original script, MARC 880",
    )
    original_lang = models.CharField(
        max_length=12,
        blank=True,
        default="",
        db_default="",
        help_text="BCP 47 tag of original_title and original_creators; empty if unknown",
    )
    search_words = models.TextField(
        blank=True,
        default="",
        db_default="",
        help_text="searched but not shown: other titles, and names for which creators has no room",
    )
    subjects = models.TextField(
        blank=True, default="", db_default="", help_text="searched but not shown: topics and genres"
    )
    publisher = models.CharField(_("publisher"), max_length=200, blank=True)
    year = models.CharField(_("year"), max_length=20, blank=True)
    isbn = models.CharField(
        "ISBN", max_length=13, blank=True, db_index=True, help_text="ISBN-13, digits only"
    )
    doi = models.CharField("DOI", max_length=200, blank=True)
    url = models.URLField(_("link"), max_length=600, blank=True)
    series = models.CharField(max_length=300, blank=True)
    summary = models.TextField(_("description"), blank=True)
    language = models.CharField(max_length=12, blank=True)
    is_fiction = models.BooleanField(
        default=False,
        db_default=False,
        help_text="a novel, stories, a comic or poems; patrons are asked whether they liked it",
    )
    starts_on = models.DateField(
        _("day"), null=True, blank=True, help_text="of an event or course: its only or first day"
    )
    ends_on = models.DateField(
        _("last day"), null=True, blank=True, help_text="of an event or course that has more than one day"
    )
    phone = models.CharField(
        _("phone number"), max_length=40, blank=True, default="", db_default="", help_text="of a person"
    )
    source = models.CharField(
        max_length=40, blank=True, help_text="where it was imported from; empty if it was added at the desk"
    )
    source_key = models.CharField(
        max_length=120, blank=True, help_text="its identifier there, by which another import updates this row"
    )
    has_cover = models.BooleanField(
        default=False,
        db_default=False,
        help_text="a cover is stored for its ISBN, so that pages need no query to know it",
    )
    added_at = models.DateTimeField()
    retired_at = models.DateTimeField(null=True, blank=True)

    # The latest NextStep that says something about the item itself. recommendations/recorded.py sets it.
    recorded = None

    objects = ItemQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["source", "source_key"], condition=~Q(source=""), name="one_item_per_source_key"
            ),
            models.CheckConstraint(condition=~Q(title=""), name="item_has_a_title"),
            models.CheckConstraint(
                condition=Q(ends_on=None) | Q(ends_on__gte=F("starts_on"), starts_on__isnull=False),
                name="item_ends_after_its_start",
            ),
        ]
        indexes = [
            models.Index(fields=["title", "id"]),
            # The case of letters doesn't matter in a DOI.
            models.Index(Lower("doi"), name="item_by_doi", condition=~Q(doi="")),
            # With this index, the search quickly finds out whether it can offer large print.
            models.Index(fields=["form"], name="items_in_large_print", condition=Q(form="large_print")),
        ]

    def __str__(self):
        return self.title

    @property
    def is_for_enjoyment(self):
        """Return whether people usually read, watch or hear this item for pleasure.

        All videos and recordings of music count. In catalogs, a "sound recording" (SOUND) is music, and an
        audiobook is speech.
        """
        return self.is_fiction or self.kind in (Item.Kind.VIDEO, Item.Kind.SOUND)

    @property
    def last_day(self):
        """Return the last day of an event or course, or None if it has no end.

        An event without `ends_on` has only one day. A course without `ends_on` has no end.
        """
        return self.ends_on or (self.starts_on if self.kind == Item.Kind.EVENT else None)

    @property
    def is_over(self):
        """Return whether this is an event or course whose last day has passed."""
        return self.last_day is not None and self.last_day < timezone.localdate()

    @cached_property
    def places(self):
        """Return the holdings as a list of Places. An item that is no longer in the catalog has none.

        `fetch_holdings` and `each_once` set this list for many items at once.
        """
        if self.retired_at:
            return []
        return [
            Place(
                holding.branch_id,
                holding.branch.name,
                holding.call_number,
                holding.location,
                holding.not_for_loan,
            )
            for holding in self.holdings.all()
        ]


class RecommendationQuerySet(models.QuerySet):
    def belonging_to(self, viewer, at=None):
        """Return the recommendations that this viewer may open as a patron at the time `at`.

        If `at` is None, use the current time. For recommendations in an answer, `recommended_at` is the end
        of the undo window. So patrons can open these recommendations as soon as they see the answer.
        """
        return self.filter(
            viewer.owns("patron", pk=viewer.opened_recommendations), recommended_at__lte=at or timezone.now()
        )

    def not_removed(self):
        """Leave out the recommendations that staff have removed from their visit."""
        return self.filter(sessionrecommendation__removed_at=None)

    def undecided(self):
        """Return the recommendations to ask the patron about: starred ones without a verdict."""
        return self.filter(starred=True, verdict="")

    def with_places(self):
        """Join the holdings of the items, so that the holdings need no second query.

        If an item has three holdings, the result has three rows for one recommendation. Pass the rows to
        `each_once`.
        """
        place = {
            "place_branch_id": "branch",
            "place_branch": "branch__name",
            "call_number": "call_number",
            "location": "location",
            "not_for_loan": "not_for_loan",
        }
        return self.annotate(**{name: F(f"item__holdings__{column}") for name, column in place.items()})

    def with_next_step(self):
        """Also fetch the next step of each item, which patron pages show."""
        return self.select_related("next_step__other_item")

    def for_page(self):
        """Fetch each recommendation together with its item, holdings, branch and staff member."""
        return self.select_related("item", "branch", "recommended_by").prefetch_related(
            Prefetch("item__holdings", Holding.objects.select_related("branch"))
        )


def each_once(rows):
    """Return each recommendation once. `rows` are the rows of `with_places`, one for each holding.

    `item.places` has the places from all rows of the recommendation, so it needs no query.
    """
    recommendations, places_of = {}, {}
    for row in rows:
        recommendation = recommendations.setdefault(row.pk, row)
        recommendation.item.places = places = places_of.setdefault(row.pk, [])
        if row.place_branch and not row.item.retired_at:
            place = (row.place_branch_id, row.place_branch, row.call_number, row.location, row.not_for_loan)
            places.append(Place(*place))
    return list(recommendations.values())


class Recommendation(models.Model):
    """One recommendation of an item, made during a visit or in an answer.

    Models in other apps link a recommendation to its help session or message. The recommendation itself has
    no foreign key to either.
    """

    class Verdict(models.TextChoices):
        """The patron's verdict. For some question types, verdicts.py replaces these labels."""

        HELPED = "helped", _("helped")
        PARTLY = "partly", _("partly")
        DID_NOT_HELP = "did_not_help", _("did not help")
        COULD_NOT_GET_IT = "could_not_get_it", _("could not get the item")
        NOT_TRIED = "not_tried", _("not tried yet")

    class Why(models.TextChoices):
        """The reason why the item did not help, or why the patron could not get it."""

        TOO_HARD = "too_hard", _("too hard")
        TOO_BASIC = "too_basic", _("too basic")
        OFF_TOPIC = "off_topic", _("off topic")
        CHECKED_OUT = "checked_out", _("checked out")
        SIGN_IN = "sign_in", _("needs sign-in or payment")
        LINK_BROKEN = "link_broken", _("link broken")
        STOPPED = "stopped", _("stopped before the end")
        UNREACHABLE = "unreachable", _("could not be reached")
        FULL = "full", _("full or already over")
        BAD_TIME = "bad_time", _("wrong time or place")
        OTHER = "other", _("another reason")

    # Whether the page has the button "I've got it". `recommendation_panels` sets it.
    may_get = False
    # A ShownStep: what the library does about an item that the patron couldn't get. Pages set it.
    step = None

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    item = models.ForeignKey(Item, on_delete=models.PROTECT, related_name="recommendations")
    reason = models.CharField(_("reason"), max_length=400, blank=True)
    starred = models.BooleanField(default=True, help_text="patrons are asked only about starred items")
    patron = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, blank=True, related_name="recommendations"
    )
    recommended_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    branch = models.ForeignKey(Branch, on_delete=models.PROTECT, related_name="+")
    topic = models.ForeignKey(Topic, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    question_type = models.CharField(max_length=20, choices=QuestionType)
    recommended_at = models.DateTimeField()
    verdict = models.CharField(max_length=20, choices=Verdict, blank=True)
    why = models.CharField(max_length=20, choices=Why, blank=True)
    comment = models.TextField(blank=True)
    decided_at = models.DateTimeField(null=True, blank=True)
    answered_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="when the patron last changed or cleared the verdict, the reason or the comment",
    )
    by_link = models.BooleanField(
        default=False, help_text="the verdict came from the link in an email, and nobody was signed in"
    )
    got_at = models.DateTimeField(null=True, blank=True, help_text='when the patron said "I\'ve got it"')
    never_counted = models.BooleanField(
        default=False,
        db_default=False,
        help_text="its visit is quiet, or was in the account of a wrong patron",
    )
    visit_number = models.BigIntegerField(
        null=True,
        blank=True,
        help_text="recommendations with the same number count as one visit, see visit_numbers.py",
    )
    from_kit = models.UUIDField(
        null=True, blank=True, help_text="public id of the kit from which staff took the item"
    )
    in_item_count = models.BooleanField(
        default=False, db_default=False, help_text="the verdict is in the published number of the item"
    )
    in_kit_count = models.BooleanField(
        default=False, db_default=False, help_text="the verdict is in the published number of the kit"
    )
    in_got_count = models.BooleanField(
        default=False,
        db_default=False,
        help_text="the verdict is in the number of those who could get the item",
    )

    objects = RecommendationQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(verdict="", decided_at__isnull=True)
                | (~Q(verdict="") & Q(decided_at__isnull=False)),
                name="a_verdict_has_its_time",
            ),
            models.CheckConstraint(
                condition=Q(
                    verdict__in=["", "helped", "partly", "did_not_help", "could_not_get_it", "not_tried"]
                ),
                name="known_verdict",
            ),
        ]
        indexes = [
            models.Index(fields=["patron", "-recommended_at"]),
            models.Index(
                fields=["patron", "-recommended_at"],
                name="undecided_by_patron",
                condition=Q(starred=True, verdict=""),
            ),
            # The worker reads the verdicts in the order of this index when it counts them every night.
            models.Index(
                fields=["topic", "question_type", "item"],
                name="counted_verdicts",
                condition=Q(never_counted=False, verdict__in=["helped", "partly", "did_not_help"]),
            ),
        ]

    def __str__(self):
        return f"{self.item}"
