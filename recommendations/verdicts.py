"""Choose the words for a verdict.

The words depend on the question type. The stored values are the same for all question types.
"""

from django.utils.translation import gettext_lazy as _

from recommendations.models import QuestionType, Recommendation

Verdict = Recommendation.Verdict

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

# After these verdicts, the page suggests that the patron write to the library.
NEEDS_FOLLOW_UP = {Verdict.DID_NOT_HELP.value, Verdict.COULD_NOT_GET_IT.value}


def choices_for(question_type):
    """Return (value, label) for each verdict, in the order of the buttons."""
    return FOR_ENJOYMENT if question_type == QuestionType.READERS_ADVISORY else FOR_INFORMATION


def label_for(recommendation):
    """Return the words for the recommendation's verdict. Return an empty string if it has no verdict."""
    return dict(choices_for(recommendation.question_type)).get(recommendation.verdict, "")
