"""The words of a verdict. The values are the same everywhere; what a patron reads fits the need."""

from django.utils.translation import gettext_lazy as _

from recommendations.models import QuestionType, Recommendation

Verdict = Recommendation.Verdict

FOR_INFORMATION = [
    (Verdict.HELPED.value, _("helped")),
    (Verdict.PARTLY.value, _("partly")),
    (Verdict.DID_NOT_HELP.value, _("did not help")),
    (Verdict.COULD_NOT_GET_IT.value, _("could not get it")),
    (Verdict.NOT_TRIED.value, _("not tried yet")),
]
FOR_ENJOYMENT = [
    (Verdict.HELPED.value, _("liked it")),
    (Verdict.PARTLY.value, _("so-so")),
    (Verdict.DID_NOT_HELP.value, _("not for me")),
    (Verdict.COULD_NOT_GET_IT.value, _("could not get it")),
    (Verdict.NOT_TRIED.value, _("not started")),
]

# What wants an answer from the library: the follow-up is offered at once.
NEEDS_FOLLOW_UP = {Verdict.DID_NOT_HELP.value, Verdict.COULD_NOT_GET_IT.value}


def choices_for(question_type):
    """[(value, label)] in the order of the buttons."""
    return FOR_ENJOYMENT if question_type == QuestionType.READERS_ADVISORY else FOR_INFORMATION


def label_for(recommendation):
    """The verdict in the patron's words; "" while there is none."""
    return dict(choices_for(recommendation.question_type)).get(recommendation.verdict, "")
