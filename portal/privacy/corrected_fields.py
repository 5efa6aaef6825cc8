"""The fields of a help session that a correction can change, with their labels and their values in words."""

from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from accounts.models import Library
from portal.helpsessions.choices import names_of_values
from portal.helpsessions.models import HelpSession
from recommendations.models import QuestionType

# The columns of HelpSession that the record form sets.
COLUMNS = (
    *("question", "summary", "quiet", "with_child", "mode", "question_type", "topic", "read_level"),
    *(
        "minutes",
        "people",
        "questions",
        "language",
        "patron_group",
        "own_values",
        "happened_on",
        "hour",
        "branch",
        "service_point",
    ),
)
LABELS = {
    "question": _("question"),
    "summary": _("summary for the patron"),
    "quiet": _("quiet session"),
    "with_child": _("with a child"),
    "mode": _("mode"),
    "question_type": _("question type"),
    "topic": _("topic"),
    "read_level": pgettext_lazy("inside a sentence", "READ level"),
    "minutes": _("minutes"),
    "people": _("people"),
    "questions": _("questions"),
    "language": _("language of the patron"),
    "patron_group": _("patron group"),
    "own_values": _("the library's own fields"),
    "happened_on": _("day"),
    "hour": _("hour"),
    "branch": _("branch"),
    "service_point": _("service point"),
    "items": _("items"),
    "item_order": _("order of the items"),
    "reasons": _("reasons"),
    "starred": _("which items the patron is asked about"),
    "note": _("private note"),
    "patron": _("patron"),
}
CHOICES = {
    "with_child": Library.Children.choices,
    "mode": HelpSession.Mode.choices,
    "question_type": QuestionType.choices,
}
# The fields whose correction can change what the patron reads.
PATRON_READS = {
    "question",
    "summary",
    "quiet",
    "mode",
    "happened_on",
    "branch",
    "items",
    "item_order",
    "reasons",
}


def links_of(help_session):
    """Return the SessionRecommendations of the help session, in order, without items that staff removed."""
    return list(help_session.recommendation_links.not_removed().select_related("recommendation__item"))


def values_of(help_session):
    """Return {name of a field: value} for all fields in LABELS. changed_fields compares two such results."""
    links = links_of(help_session)
    rows = [link.recommendation for link in links]
    people = [help_session.patron, help_session.shared_with]
    return {
        **{name: getattr(help_session, name) for name in COLUMNS},
        "items": {row.item_id: str(row.item) for row in rows},
        "item_order": [row.item_id for row in rows],
        "reasons": {row.item_id: row.reason for row in rows},
        "starred": {row.item_id: row.starred for row in rows},
        "note": help_session.note.body if hasattr(help_session, "note") else "",
        "patron": [f"{person.display_name} ({person.public_id})" for person in people if person],
    }


def changed_fields(before, after):
    """Return the names of the fields that differ, in the order of LABELS.

    "items" means that items were added or removed. The other fields about items ("item_order", "reasons" and
    "starred") compare only the items that are in both `before` and `after`.
    """
    both = before["items"].keys() & after["items"].keys()

    def of_both(values, name):
        if name == "item_order":
            return [item for item in values[name] if item in both]
        if name in {"reasons", "starred"}:
            return {item: values[name][item] for item in both}
        if name == "items":
            return values[name].keys()
        return values[name]

    return [name for name in LABELS if of_both(before, name) != of_both(after, name)]


def in_words(values, names):
    """Return {name: value as text} for these fields. Under a legal hold, the Correction stores this text."""
    words = {}
    for name in names:
        value = values[name]
        if name in {"items", "item_order"}:
            value = "\n".join(
                f"{title}: {values['reasons'][item]}" for item, title in values["items"].items()
            )
        elif name in {"reasons", "starred"}:
            value = "\n".join(f"{values['items'][item]}: {said}" for item, said in value.items())
        elif name == "own_values":
            value = "\n".join(f"{field}: {value}" for field, value in names_of_values(value))
        elif name == "patron":
            value = "\n".join(value)
        elif name in CHOICES:
            value = dict(CHOICES[name]).get(value, value)
        words[name] = "" if value is None else str(value)
    return words
