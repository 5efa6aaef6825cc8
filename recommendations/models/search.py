"""The models of the search for items: the words of each item, and the table of words."""

from django.db import models


class SearchEntry(models.Model):
    """The words of one item, in the form that portal.folding.fold returns.

    recommendations/search/entries.py updates these words when the item changes. On PostgreSQL, this table has
    two GIN indexes. SQLite has an FTS5 table with a copy of the words.
    """

    item = models.OneToOneField(
        "recommendations.Item", on_delete=models.CASCADE, primary_key=True, related_name="search_entry"
    )
    title = models.CharField(max_length=400, db_index=True)
    names = models.TextField(help_text="creators, other titles, series and subjects")
    rest = models.TextField(
        help_text="marks for narrowing, and what else people search by: ISBN, call numbers, publisher, "
        "year, description"
    )

    class Meta:
        verbose_name_plural = "search entries"

    def __str__(self):
        return self.title[:60]


class SearchWord(models.Model):
    """A word that items contain, and the number of items with this word.

    A search uses the words to correct typing errors, and the numbers to choose its query on PostgreSQL. The
    table leaves out words with digits, and letters of scripts without spaces. A patron's search uses only
    `imported` and `imported_titles`, so it reveals no word that staff typed.
    """

    word = models.CharField(max_length=80, primary_key=True)
    backward = models.CharField(max_length=80, help_text="the word from its last letter to its first")
    items = models.IntegerField(help_text="number of items with the word in the title or in `names`")
    titles = models.IntegerField(help_text="number of items with the word in the title")
    imported = models.IntegerField(help_text="as `items`, without the items that staff typed by hand")
    imported_titles = models.IntegerField(help_text="as `titles`, without the items that staff typed by hand")

    class Meta:
        indexes = [
            models.Index(fields=["backward"], name="words_backward", opclasses=["varchar_pattern_ops"])
        ]

    def __str__(self):
        return self.word
