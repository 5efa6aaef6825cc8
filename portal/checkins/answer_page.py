"""The page that opens from the link of a check-in.

Anyone who reads the patron's email can open this page. So the page doesn't show earlier answers. Hidden
fields tell the server which buttons were pressed since the page was opened (forms.Pressed).
"""

from django.utils.functional import cached_property

from portal.helpsessions.models import HelpSession
from portal.helpsessions.recommendation_panels import count_at_once
from portal.notifications import bounces
from portal.notifications.choices import Choices
from portal.notifications.kinds import NONE
from recommendations.verdicts import NEEDS_FOLLOW_UP, choices_for

from . import answering, drafting
from .forms import BEFORE, QUESTIONS

NOT_FOUND = {"no", "part"}
ONLY_COUNTED = {"satisfaction", "would_return"}


class AnswerPage:
    """The contents of the page for one link in one browser.

    `pressed` contains the buttons that were pressed since the page was opened.
    """

    def __init__(self, check_in, answerer, pressed):
        self.check_in, self.visit, self.patron = check_in, check_in.help_session, check_in.asked
        self.answerer, self.pressed = answerer, pressed

    @property
    def shows_titles(self):
        """Return whether the page shows titles of items.

        This is true in two cases: the browser may open the visit even without the link, or the patron allowed
        titles in check-ins.
        """
        return self.answerer.may_open or self.patron.check_in_titles

    @property
    def letter(self):
        """Return the text of the check-in, or "" if this browser may not open the visit.

        The text may quote the patron's question. Some patrons allow titles of items on this page, but that
        choice doesn't allow quotes of the question.
        """
        return drafting.letter(self.check_in, by=self.check_in.asked_by) if self.answerer.may_open else ""

    @cached_property
    def questions(self):
        """Return (name, question, choices, pressed choice) for each question about the visit."""
        return [
            (name, question, choices, self.pressed.get(name, dict(choices)))
            for name, (question, choices) in QUESTIONS.items()
        ]

    @property
    def only_counted(self):
        """Return the names of the questions whose answers staff see only as totals."""
        return ONLY_COUNTED

    @property
    def found(self):
        return self.questions[0][3]

    @property
    def is_patron(self):
        """Return whether the patron of the visit is signed in."""
        return self.answerer.person is not None and self.answerer.person.pk == self.visit.patron_id

    @property
    def may_share_words(self):
        """Return whether the page links to "Share a few words", which the patron must sign in to open."""
        return self.found in HelpSession.FOUND_SOMETHING and self.visit.may_share_words(self.patron)

    @property
    def asks_whether_to_write(self):
        return self.found in NOT_FOUND

    @property
    def wish(self):
        return self.pressed.wish_about("wish") if self.asks_whether_to_write else ""

    @cached_property
    def items(self):
        """Return the recommendations that this browser may answer about.

        Each recommendation gets the additional attributes that its panel on the page shows.
        """
        if not self.shows_titles:
            return []
        rows = answering.items_of(self.visit).select_related("item")
        items = list(rows.order_by("sessionrecommendation__position", "pk"))
        for item in items:
            item.choices, item.pressed = choices_for(item), self.pressed.verdict_on(item)
            item.asks_whether_to_write = item.pressed in NEEDS_FOLLOW_UP
            item.verdict_name = f"verdict-{item.public_id}"
            item.wish_name = f"wish-{item.public_id}"
            item.wish = self.pressed.wish_about(item.wish_name)
        return items

    def press(self, verdicts):
        """Show the buttons of these verdicts as pressed.

        `verdicts` is {public id of the recommendation: verdict}.
        """
        for item in self.items:
            item.pressed = verdicts.get(item.public_id, item.pressed)
            item.asks_whether_to_write = item.pressed in NEEDS_FOLLOW_UP
            item.verdict = verdicts.get(item.public_id, item.verdict)

    @property
    def all_at_once(self):
        """Return how many items the button "Mark the unanswered items as helpful" marks.

        0 means that there is no button.

        If the browser may not open the visit, an item counts as unanswered until a button for it is pressed
        on this page. Otherwise the number would reveal how many items had a verdict before the page was
        opened.
        """
        if self.answerer.may_open:
            return count_at_once(sum(not item.verdict for item in self.items))
        return count_at_once(sum(not item.pressed for item in self.items))

    @property
    def carried(self):
        """Return (name, value) of the hidden fields that tell the server which buttons were pressed."""
        pressed = [(name, chosen) for name, _question, _choices, chosen in self.questions]
        pressed.append(("wish", self.pressed.wish_about("wish")))
        for item in self.items:
            pressed += [(item.verdict_name, item.pressed), (item.wish_name, item.wish)]
        return [(BEFORE + name, value) for name, value in pressed if value]

    @cached_property
    def answer_arrives_in(self):
        """Return where the patron will find the library's answer: "code", "email" or "account".

        With "code", the patron types the code of the visit again to read the answer.
        """
        if self.answerer.may_open and self.answerer.person not in self.visit.keepers:
            return "code"
        wants_email = Choices(self.patron).of("conversations/answer") != NONE
        has_address = self.patron.email and not bounces.is_off(self.patron)
        return "email" if wants_email and has_address else "account"
