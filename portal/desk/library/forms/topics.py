"""The form that adds or renames a topic."""

from django import forms
from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from portal.text import TextField


class TopicForm(forms.Form):
    """The name of a topic, and its name in each other language of the portal."""

    name = TextField(label=gettext_lazy("Name"), max_length=60)

    def __init__(self, *args, topic=None, **kwargs):
        super().__init__(*args, **kwargs)
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

    @property
    def typed(self):
        """Return the typed names, as keyword arguments for `topics.add_topic` and `topics.rename_topic`."""
        names = {code: self.cleaned_data[f"name_{code}"] for code, _language in self.languages}
        return {"name": self.cleaned_data["name"], "names": names}
