"""Find the elements of a page by their roles and names, like a screen reader.

The names come from the translations, so that the tests don't repeat them.
"""

from django.utils.translation import gettext, override
from playwright.sync_api import expect

from .steps import newest_code


class Reader:
    """A person who reads a page in one language, and finds each element by its role and its name.

    `act` is the name of the method that presses a button or a link: "tap" on a phone, "click" with a mouse.
    """

    def __init__(self, page, language, *, act="tap"):
        self.page, self.language, self.act = page, language, act

    def say(self, words):
        """Return the text `words` in the language of the page."""
        with override(self.language):
            return str(gettext(words))

    def find(self, role, words, *, inside=None, exact=True):
        return (inside or self.page).get_by_role(role, name=self.say(words), exact=exact)

    def button(self, name):
        """Return the button with exactly this name, which is already in the language of the page."""
        return self.page.get_by_role("button", name=name, exact=True)

    def field(self, words):
        # The names of optional fields end with "(optional)".
        return self.find("textbox", words, exact=False)

    def press(self, words, **how):
        self._press(self.find("button", words, **how).first)

    def follow(self, words, *, exact=True):
        self._press(self.find("link", words, inside=self.page.get_by_role("main"), exact=exact).first)

    def _press(self, element):
        getattr(element, self.act)()

    def reads(self, title):
        expect(self.page.get_by_role("heading", level=1)).to_have_text(self.say(title))

    def sign_in(self, address, post, *, then="Continue", borrowed=False):
        self.field("Your email address").fill(address)
        if borrowed:
            self.find("checkbox", "This isn't my phone").check()
        self.press("Send me a code")
        self.field("Code from the email").wait_for()
        self.field("Code from the email").fill(newest_code(address, post))
        self.press(then)
