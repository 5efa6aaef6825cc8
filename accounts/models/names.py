"""The words in people's names. The desk's search for people uses them.

Other models that store folded words also use WordQuerySet.
"""

from django.conf import settings
from django.db import connection, models

from portal.folding import WORD_MAX, fold

LAST_CHARACTER = "\U0010ffff"


class WordQuerySet(models.QuerySet):
    """Rows with a field `word`, which contains one folded word: lowercase, without accents."""

    def beginning_with(self, letters):
        """Return the words that begin with these letters, which must be folded.

        SQLite can use the index on `word` for a range, but not for LIKE. PostgreSQL can use the index only
        for LIKE, because the order of words in a range depends on the language of the database. So each
        database gets its own condition.
        """
        if connection.vendor == "sqlite":
            return self.filter(word__gte=letters, word__lt=letters + LAST_CHARACTER)
        return self.filter(word__startswith=letters)


class NameWordQuerySet(WordQuerySet):
    def index(self, people):
        """Store the words of these people's current names, and delete the words stored earlier.

        Call this method in the transaction that changes the names.
        """
        words = {person.pk: words_and_endings(person.name) for person in people}
        self.filter(person__in=words).delete()
        self.bulk_create(NameWord(person_id=pk, word=word) for pk in words for word in sorted(words[pk]))


def words_and_endings(name):
    """Return a set with the folded words of the name, and with all endings of these words.

    "O'Sullivan" gives "osullivan", "sullivan", "ullivan" and so on. Any part of a word is the beginning of
    the word or of one of its endings. So a search for beginnings finds any part of a word.
    """
    return {word[start:] for word in fold(name).split() for start in range(len(word))}


class NameWord(models.Model):
    """One folded word of a person's name, or an ending of such a word.

    User.save() updates the words when the name changes. Code that changes names in another way calls `index`.
    """

    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", db_index=False
    )
    word = models.CharField(max_length=WORD_MAX)

    objects = NameWordQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["person", "word"], name="one_row_per_word_of_a_name")]
        indexes = [
            # Only these operator classes let PostgreSQL use the index for LIKE. SQLite ignores them.
            models.Index(
                fields=["word", "person"],
                opclasses=["varchar_pattern_ops", "int8_ops"],
                name="people_by_word",
            )
        ]

    def __str__(self):
        return f"{self.word}, {self.person_id}"
