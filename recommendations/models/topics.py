"""The models for topics and their names in other languages."""

from django.conf import settings
from django.db import models
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _


class Topic(models.Model):
    """A subject that the library offers for help sessions. Its `name` is in the portal's default language."""

    name = models.CharField(_("name"), max_length=60, unique=True)
    retired_at = models.DateTimeField(_("no longer offered since"), null=True, blank=True)
    never_by_message = models.BooleanField(
        default=False, help_text="nobody is asked by email how a visit with this topic turned out"
    )

    class Meta:
        ordering = ["name"]

    def __str__(self):
        """Return the topic's name in the language of the page.

        If the topic has no name in that language, return the name in the default language. Lists must
        prefetch `topic_names()`, because otherwise each topic would need a query.
        """
        language = get_language()
        if language == settings.LANGUAGE_CODE:
            return self.name
        return next((row.name for row in self.names.all() if row.language == language), self.name)


class TopicName(models.Model):
    """The name of a topic in one language other than the default one."""

    topic = models.ForeignKey(Topic, on_delete=models.CASCADE, related_name="names")
    language = models.CharField(max_length=12)
    name = models.CharField(max_length=60)

    class Meta:
        ordering = ["language"]
        constraints = [
            models.UniqueConstraint(fields=["topic", "language"], name="one_name_of_a_topic_per_language")
        ]

    def __str__(self):
        return f"{self.language}: {self.name}"


def topic_names(lookup="names"):
    """Return the arguments for prefetch_related() for a query whose topics are shown.

    The list is empty in the default language, because `Topic.name` is enough then.
    """
    return [] if get_language() == settings.LANGUAGE_CODE else [lookup]
