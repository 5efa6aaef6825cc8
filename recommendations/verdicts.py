"""Choose the labels for verdicts, and the reasons that a patron can give for a verdict.

The labels depend on the question type and on the item. The stored values are always the same.
"""

from django.utils.translation import gettext_lazy as _

from recommendations.models import Item, QuestionType, Recommendation

Verdict, Why, Kind = Recommendation.Verdict, Recommendation.Why, Item.Kind

FOR_INFORMATION = [
    (Verdict.HELPED.value, _("helped")),
    (Verdict.PARTLY.value, _("partly")),
    (Verdict.DID_NOT_HELP.value, _("did not help")),
    (Verdict.COULD_NOT_GET_IT.value, _("could not get the item")),
    (Verdict.NOT_TRIED.value, _("not tried yet")),
]
FOR_ENJOYMENT = [
    (Verdict.HELPED.value, _("liked it")),
    (Verdict.PARTLY.value, _("so-so")),
    (Verdict.DID_NOT_HELP.value, _("not for me")),
    (Verdict.COULD_NOT_GET_IT.value, _("could not get the item")),
    (Verdict.NOT_TRIED.value, _("not started")),
]
FOR_AN_EVENT = [
    (Verdict.HELPED.value, _("enjoyed it")),
    (Verdict.PARTLY.value, _("so-so")),
    (Verdict.DID_NOT_HELP.value, _("did not enjoy it")),
    (Verdict.COULD_NOT_GET_IT.value, _("could not go")),
    (Verdict.NOT_TRIED.value, _("have not gone yet")),
]

ONLINE = {Kind.ARTICLE, Kind.DATABASE, Kind.WEB_PAGE}
# {kind: label for the verdict COULD_NOT_GET_IT}. People get a book, but talk to a person and go to a class.
NOT_GOTTEN = {
    Kind.PERSON: _("could not talk to them"),
    **dict.fromkeys((Kind.COURSE, Kind.EVENT), _("could not go")),
    **dict.fromkeys(ONLINE, _("could not open it")),
}
# {kind: the labels for a patron who wanted something to read}. For a kind that isn't in this dict, the labels
# are FOR_ENJOYMENT.
WORDS_FOR_READERS = {
    Kind.PERSON: FOR_INFORMATION,
    **dict.fromkeys((Kind.COURSE, Kind.EVENT), FOR_AN_EVENT),
}
# The kinds of item that people read, watch or attend from beginning to end. People can stop before the end.
HAS_AN_END = {
    *(Kind.BOOK, Kind.AUDIOBOOK, Kind.SOUND, Kind.SCORE, Kind.VIDEO, Kind.SERIAL, Kind.ARTICLE, Kind.COURSE),
}

# After these verdicts, the page suggests that the patron write to the library.
NEEDS_FOLLOW_UP = {Verdict.DID_NOT_HELP.value, Verdict.COULD_NOT_GET_IT.value}


def choices_for(recommendation):
    """Return (value, label) for each verdict, in the order of the buttons."""
    choices, kind = _words_for(recommendation), recommendation.item.kind
    if kind not in NOT_GOTTEN:
        return choices
    not_tried = FOR_AN_EVENT if kind in (Kind.COURSE, Kind.EVENT) else FOR_INFORMATION
    other_words = {
        Verdict.COULD_NOT_GET_IT.value: NOT_GOTTEN[kind],
        Verdict.NOT_TRIED.value: dict(not_tried)[Verdict.NOT_TRIED.value],
    }
    return [(value, other_words.get(value, label)) for value, label in choices]


def label_for(recommendation):
    """Return the label of the recommendation's verdict, or an empty string if it has no verdict."""
    return dict(choices_for(recommendation)).get(recommendation.verdict, "")


def reasons_for(recommendation):
    """Return (value, label) for each reason that the patron can give for the verdict.

    The reasons depend on the verdict and the kind of item. For example, a person can't be checked out. A
    reason that the patron has already given is always included.
    """
    if recommendation.verdict == Verdict.COULD_NOT_GET_IT:
        reasons = _reasons_not_gotten(recommendation.item)
    elif recommendation.verdict in (Verdict.PARTLY, Verdict.DID_NOT_HELP):
        reasons = _reasons_not_helpful(recommendation)
    else:
        return []
    if recommendation.why and recommendation.why not in [*reasons, Why.OTHER]:
        reasons.append(Why(recommendation.why))
    return [(why.value, why.label) for why in [*reasons, Why.OTHER]]


def _words_for(recommendation):
    """Return the labels to use: FOR_INFORMATION, FOR_ENJOYMENT or FOR_AN_EVENT.

    Patrons who wanted something to read, or a certain novel, film or piece of music, are asked whether they
    liked the item. If the item is a person, patrons are asked whether the person helped.
    """
    if recommendation.question_type == QuestionType.READERS_ADVISORY:
        return WORDS_FOR_READERS.get(recommendation.item.kind, FOR_ENJOYMENT)
    is_known_item = recommendation.question_type == QuestionType.KNOWN_ITEM
    return FOR_ENJOYMENT if is_known_item and recommendation.item.is_for_enjoyment else FOR_INFORMATION


def _reasons_not_gotten(item):
    if item.kind == Kind.PERSON:
        reasons = [Why.UNREACHABLE]
    elif item.kind in (Kind.COURSE, Kind.EVENT):
        reasons = [Why.FULL, Why.BAD_TIME]
    elif item.kind in ONLINE:
        reasons = []
    else:
        reasons = [Why.CHECKED_OUT]
    return reasons + ([Why.SIGN_IN, Why.LINK_BROKEN] if item.url or item.kind in ONLINE else [])


def _reasons_not_helpful(recommendation):
    item = recommendation.item
    if item.kind == Kind.PERSON:
        return [Why.TOO_BASIC, Why.OFF_TOPIC]
    if item.is_for_enjoyment and _words_for(recommendation) is FOR_ENJOYMENT:
        return [Why.STOPPED] if item.kind == Kind.SOUND else [Why.TOO_HARD, Why.STOPPED]
    reasons = [Why.TOO_HARD, Why.TOO_BASIC, Why.OFF_TOPIC]
    return [*reasons, Why.STOPPED] if item.kind in HAS_AN_END else reasons
