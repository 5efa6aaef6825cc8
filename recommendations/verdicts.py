"""The words of a verdict, which depend on the question type. The stored values don't."""

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

# After these, the page offers to write to the library.
NEEDS_FOLLOW_UP = {Verdict.DID_NOT_HELP.value, Verdict.COULD_NOT_GET_IT.value}


def choices_for(question_type):
    """Return [(value, label)] in the order of the buttons."""
    return FOR_ENJOYMENT if question_type == QuestionType.READERS_ADVISORY else FOR_INFORMATION


def label_for(recommendation):
    """Return the verdict in the patron's words, or "" without a verdict."""
    return dict(choices_for(recommendation.question_type)).get(recommendation.verdict, "")
