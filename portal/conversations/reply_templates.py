"""Answers that are often given: a coordinator writes them, and in a composer their places are filled in.

A place is `{patron}`, `{item}` or `{me}`; `{patron|neighbor}` names what stands there where there is nothing
to fill in.
"""

import re
import unicodedata
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
IN_BRACES = re.compile(r"\{([^{}\n]*)\}")

NAME = r"\{patron\}"
ALONE_ON_ITS_LINE = re.compile(rf"^{NAME}[^\w\n]*(?:\n+|\Z)", re.M)
BEGINS_THE_SENTENCE = re.compile(rf"(^|[.!?…]\s+){NAME}[ \t]*[,،;:]?[ \t]*([¿¡“«\"]*\w?)", re.M)
WITHIN_THE_SENTENCE = re.compile(rf"[,،]?[ \t]*{NAME}")
SENTENCE_BEGINS_AFTER = re.compile(r"(?:\A|\n|[.!?…]\s+)[¡¿“«\"]?\Z")

MOST_SHOWN = 200


class NameTaken(Exception):
    """The branch has a template of this name in this language."""


class Chosen(NamedTuple):
    """A template as the composer of one conversation offers it: `text` is filled in. `in_language`: its language's own name, where
    it isn't the patron's."""

    public_id: str
    name: str
    language: str
    in_language: str
    text: str


@staff_action
def add_template(*, by, at, **fields):
    """`fields`: branch (None: all), language, name, body. Raises NameTaken."""
    return _write(ReplyTemplate(), by, at, "added_reply_template", fields)


@staff_action
def change_template(template, *, by, at, **fields):
    """Raises NameTaken."""
    return _write(template, by, at, "changed_reply_template", fields)


@staff_action
def remove_template(template, *, by, at):
    """What was sent with its words stays as it was sent."""
    audit.record("removed_reply_template", template, by=by, at=at)
    template.delete()


def unknown_places(body):
    """What stands in curly brackets there and is no place."""
    return [found[0] for found in IN_BRACES.finditer(body) if not PLACE.fullmatch(found[0])]


def fill_in(body, *, patron="", item="", me="", language="en"):
    """The text with its places filled in; each may be "". What fills them is put there as it is, whatever it holds.

    Without a patron's name the sentence goes on without it: "Hello, {patron}!" becomes "Hello!".
    """
    if not patron:
        body = ALONE_ON_ITS_LINE.sub("", body)
        body = BEGINS_THE_SENTENCE.sub(lambda found: found[1] + found[2].upper(), body)
        body = WITHIN_THE_SENTENCE.sub("", body)
    with translation.override(language):
        otherwise = {PATRON: "", ITEM: gettext("what we recommended"), ME: gettext("the library")}
    values = {PATRON: patron, ITEM: item, ME: me}

    def filled(found):
        words = values[found[1]] or (otherwise[found[1]] if found[2] is None else found[2])
        begins = not values[found[1]] and SENTENCE_BEGINS_AFTER.search(body, 0, found.start())
        return words[:1].upper() + words[1:] if begins else words

    return PLACE.sub(filled, body).strip("\n")


def offered_in(conversation, *, by, query=""):
    """[Chosen] for this conversation whose name or text holds the words of `query`: first those in the patron's language."""
    theirs = language_of(conversation)
    values = {
        "patron": conversation.patron.name if conversation.patron else "",
        "item": _item_of(conversation),
        "me": by.name,
    }
    found = []
    for template in ReplyTemplate.objects.at_branch(conversation.branch_id):
        text = fill_in(template.body, language=template.language, **values)
        said = _plain(f"{template.name} {text}")
        if all(word in said for word in _plain(query).split()):
            other = (
                LANG_INFO.get(template.language, {}).get("name_local", template.language)
                if template.language != theirs
                else ""
            )
            found.append(Chosen(str(template.public_id), template.name, template.language, other, text))
    return sorted(found, key=lambda each: each.in_language != "")[:MOST_SHOWN]


def chosen_in(conversation, public_id, *, by):
    """The one that a composer without JavaScript asked for; None if it is gone, or not of this branch."""
    return next((each for each in offered_in(conversation, by=by) if each.public_id == public_id), None)


def language_of(conversation):
    """The language of the patron's last words; before there are any, of the visit."""
    written = (
        conversation.messages.filter(side=Side.PATRON)
        .order_by("-sent_at", "-pk")
        .values_list("language", flat=True)
        .first()
    )
    return written or (conversation.help_session.language if conversation.help_session else "en")


def _item_of(conversation):
    """The title of what the conversation is about: its own item, else the first that was recommended on this occasion."""
    if conversation.recommendation is not None:
        return conversation.recommendation.item.title
    if conversation.help_session_id is not None:
        link = conversation.help_session.recommendation_links.select_related("recommendation__item").first()
        if link is not None:
            return link.recommendation.item.title
    said = Message.objects.filter(conversation=conversation)
    first = (
        Recommendation.objects.filter(messagerecommendation__message__in=said)
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
    except IntegrityError:  # somebody gave another one this name in the same moment
        raise NameTaken from None
    audit.record(action, template, by=by, at=at)
    return template


def _plain(text):
    """As it is searched: without accents, in one case."""
    return "".join(
        letter
        for letter in unicodedata.normalize("NFKD", text.casefold())
        if not unicodedata.combining(letter)
    )
