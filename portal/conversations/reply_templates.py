"""Reply templates. Coordinators write the templates, and staff choose one while they write an answer.

A template can contain the placeholders `{patron}`, `{item}` and `{me}`. A placeholder can have a default:
`{patron|neighbor}` becomes "neighbor" if the patron has no name.
"""

import re
import unicodedata
from contextlib import suppress
from typing import NamedTuple

from django.conf.locale import LANG_INFO
from django.db import IntegrityError, transaction
from django.utils import translation
from django.utils.translation import gettext

from accounts import audit
from accounts.staff_actions import staff_action
from recommendations.models import Recommendation

from .models import Message, ReplyTemplate, Side

PATRON, ITEM, ME = "patron", "item", "me"
PLACE = re.compile(r"\{(patron|item|me)(?:\|([^{}\n]*))?\}")
# Matches words in curly brackets, and a placeholder whose closing bracket is missing on its line.
IN_BRACES = re.compile(r"\{[^{}\n]*\}|\{(?:patron|item|me)\b[^{}\n]*")

NAME = r"\{patron\}"
ALONE_ON_ITS_LINE = re.compile(rf"^{NAME}[^\w\n]*(?:\n+|\Z)", re.M)
BEGINS_THE_SENTENCE = re.compile(rf"(^|[.!?…]\s+){NAME}[ \t]*[,،;:]?[ \t]*([¿¡“«\"]*\w?)", re.M)
WITHIN_THE_SENTENCE = re.compile(rf"[,،]?[ \t]*{NAME}")
SENTENCE_BEGINS_AFTER = re.compile(r"(?:\A|\n|[.!?…]\s+)[¡¿“«\"]?\Z")

TEMPLATES_MAX = 200
# The maximum number of placeholders in a template. In the list of templates, all placeholders are filled in,
# and the title of an item can have 400 characters. So the list could become very large.
PLACES_MAX = 30


class NameTaken(Exception):
    """The branch already has a template with this name in this language."""


class Chosen(NamedTuple):
    """A template with the placeholders filled in for one conversation.

    `in_language` is the name of the template's language, or "" if the template is in the patron's language.
    """

    public_id: str
    name: str
    language: str
    in_language: str
    text: str


@staff_action
def add_template(*, by, at, **fields):
    """Add a template, and return the new template.

    `fields` are branch, language, name and body. If the branch is None, all branches can use the template.
    Raises NameTaken.
    """
    return _write(ReplyTemplate(), by, at, "added_reply_template", fields)


@staff_action
def add_starter_templates(chosen, *, by, at):
    """Add starter templates for all branches, and return how many were added.

    `chosen` is a list of Starter. A starter template is left out if another template has the same name and
    language.
    """
    added = 0
    for starter in chosen:
        with suppress(NameTaken):
            _write(ReplyTemplate(), by, at, "added_reply_template", {"branch": None, **starter._asdict()})
            added += 1
    return added


def taken_names():
    """Return the set of (language, name in lower case) of the templates that all branches share."""
    shared = ReplyTemplate.objects.filter(branch=None).values_list("language", "name")
    return {(language, name.casefold()) for language, name in shared}


@staff_action
def change_template(template, *, by, at, **fields):
    """Change a template, and return the template. `fields` are as for add_template. Raises NameTaken."""
    return _write(template, by, at, "changed_reply_template", fields)


@staff_action
def remove_template(template, *, by, at):
    """Delete a template. Answers that were written with it don't change."""
    audit.record("removed_reply_template", template, by=by, at=at)
    template.delete()


def unknown_places(body):
    """Return the words in curly brackets that are not placeholders, so that the form can show an error.

    The list also has placeholders with too many brackets and placeholders without a closing bracket, because
    a patron would see these brackets.
    """
    return [match[0] for match in IN_BRACES.finditer(PLACE.sub("…", body))]


def count_places(body):
    """Return the number of placeholders in the text."""
    return len(PLACE.findall(body))


def fill_in(body, *, patron="", item="", me="", language="en"):
    """Return the text with its placeholders filled in.

    Each value may be "". If the patron's name is "", the sentence is shortened. For example, "Hello,
    {patron}!" becomes "Hello!".
    """
    if not patron:
        body = ALONE_ON_ITS_LINE.sub("", body)
        body = BEGINS_THE_SENTENCE.sub(lambda match: match[1] + match[2].upper(), body)
        body = WITHIN_THE_SENTENCE.sub("", body)
    with translation.override(language):
        otherwise = {PATRON: "", ITEM: gettext("what we recommended"), ME: gettext("the library")}
    values = {PATRON: patron, ITEM: item, ME: me}

    def value_of(place):
        name, default = place.groups()
        words = values[name] or (otherwise[name] if default is None else default)
        begins = not values[name] and SENTENCE_BEGINS_AFTER.search(body, 0, place.start())
        return words[:1].upper() + words[1:] if begins else words

    return PLACE.sub(value_of, body).strip("\n")


def offered_in(conversation, *, by, query=""):
    """Return the templates for this conversation as a list of Chosen.

    Templates in the patron's language come first. A template is left out if its name and text don't contain
    all words of `query`.
    """
    patrons_language = language_of(conversation)
    values = {
        "patron": conversation.patron.name if conversation.patron else "",
        "item": _item_of(conversation),
        "me": by.name,
    }
    offered = []
    for template in ReplyTemplate.objects.at_branch(conversation.branch_id):
        text = fill_in(template.body, language=template.language, **values)
        searched = _plain(f"{template.name} {text}")
        if all(word in searched for word in _plain(query).split()):
            other = (
                LANG_INFO.get(template.language, {}).get("name_local", template.language)
                if template.language != patrons_language
                else ""
            )
            offered.append(Chosen(str(template.public_id), template.name, template.language, other, text))
    return sorted(offered, key=lambda template: template.in_language != "")[:TEMPLATES_MAX]


def chosen_in(conversation, public_id, *, by):
    """Return the template with this `public_id`, filled in for the conversation.

    Returns None if the template was deleted or belongs to another branch. A composer without JavaScript needs
    this function.
    """
    return next(
        (template for template in offered_in(conversation, by=by) if template.public_id == public_id), None
    )


def language_of(conversation):
    """Return the language of the patron's last message, or of the visit if there is no message."""
    written = (
        conversation.messages.filter(side=Side.PATRON)
        .order_by("-sent_at", "-pk")
        .values_list("language", flat=True)
        .first()
    )
    return written or (conversation.help_session.language if conversation.help_session else "en")


def _item_of(conversation):
    """Return the title of the item that the conversation is about.

    If it isn't about an item, return the title of the first item recommended in the visit or in an answer. If
    there is no such item, return "".
    """
    if conversation.recommendation is not None:
        return conversation.recommendation.item.title
    if conversation.help_session_id is not None:
        links = conversation.help_session.recommendation_links.not_removed()
        link = links.select_related("recommendation__item").first()
        if link is not None:
            return link.recommendation.item.title
    messages = Message.objects.filter(conversation=conversation)
    first = (
        Recommendation.objects.filter(messagerecommendation__message__in=messages)
        .select_related("item")
        .order_by("recommended_at", "pk")
        .first()
    )
    return first.item.title if first else ""


def _write(template, by, at, action, fields):
    same = ReplyTemplate.objects.filter(
        branch=fields["branch"], language=fields["language"], name__iexact=fields["name"]
    ).exclude(pk=template.pk)
    if same.exists():
        raise NameTaken
    for field, value in fields.items():
        setattr(template, field, value)
    template.changed_at = at
    try:
        with transaction.atomic():
            template.save()
    except IntegrityError:
        # Another request saved a template with this name at the same moment.
        raise NameTaken from None
    audit.record(action, template, by=by, at=at)
    return template


def _plain(text):
    """Return the text in lower case and without accents, because a search ignores case and accents."""
    return "".join(
        letter
        for letter in unicodedata.normalize("NFKD", text.casefold())
        if not unicodedata.combining(letter)
    )
