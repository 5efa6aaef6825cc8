"""The form that adds or changes a topic."""

from django import forms
from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from portal.checkins.rules import Rules
from portal.text import TextField
from recommendations.topics import sounds_sensitive

from .check_ins import AS_TYPE, SINCE, RuleFields

CHOICES = [(AS_TYPE, gettext_lazy("Same as the question type")), *SINCE]


class TopicForm(RuleFields, forms.Form):
    """The names of a topic, one for each language of the portal, and the rule for its check-ins.

    If the name of a new topic sounds private, nothing is saved at first. The page appears again, with the
    checkbox `never_by_message` checked. When this page is posted, `was_told` is true and the topic is saved.
    """

    name = TextField(label=gettext_lazy("Name"), max_length=60)

    def __init__(self, *args, topic=None, **kwargs):
        super().__init__(*args, **kwargs)
        self.topic = topic
        names = {row.language: row.name for row in topic.names.all()} if topic else {}
        self.initial = {"name": topic.name} if topic else {}
        self.languages = [each for each in settings.LANGUAGES if each[0] != settings.LANGUAGE_CODE]
        for code, language in self.languages:
            self.fields[f"name_{code}"] = TextField(
                label=_("Name in %(language)s") % {"language": language},
                max_length=60,
                required=False,
                initial=names.get(code),
            )
        rule = Rules.read().of_topic(topic.pk) if topic else None
        self.add_rule("topic", _("When we ask how a visit with this topic turned out"), rule, choices=CHOICES)
        self.fields["never_by_message"] = forms.BooleanField(
            label=_("Never ask by email or with a message on a phone"),
            required=False,
            initial=topic.never_by_message if topic else False,
            help_text=_(
                "For topics that patrons want to keep private, such as health, law, immigration, housing, "
                "money and abuse. We still ask on the patron's pages how the visit turned out."
            ),
        )
        self.fields["was_told"] = forms.BooleanField(required=False, widget=forms.HiddenInput)

    def clean(self):
        self.check_rule("topic")
        if not (self.errors or self.topic or self.cleaned_data["was_told"]) and self._must_tell():
            self.data = self.data.dict() | {"never_by_message": "on", "was_told": "on"}
            self.add_error(
                "never_by_message",
                _(
                    "This topic sounds private, so we checked “Never ask by email or with a message on a "
                    "phone”. Uncheck it if you want, and save the topic again."
                ),
            )

    def _must_tell(self):
        typed = self.typed
        is_private = sounds_sensitive(typed["name"], *typed["names"].values())
        return is_private and not typed["never_by_message"]

    def topic_rule(self):
        return self.rule_fields("topic")

    @property
    def typed(self):
        """Return the typed values, as keyword arguments for `topics.add_topic` and `topics.change_topic`."""
        names = {code: self.cleaned_data[f"name_{code}"] for code, _language in self.languages}
        return {
            "name": self.cleaned_data["name"],
            "names": names,
            "never_by_message": self.cleaned_data["never_by_message"],
        }
