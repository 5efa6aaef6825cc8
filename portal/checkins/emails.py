"""Write the emails of check-ins.

An email says who asks and contains a link. It says nothing about the question or the items. If the patron
chose messages on the phone, the worker sends only the subject and the link, as a push message.
"""

from django.utils.html import escape, linebreaks

from portal.notifications.unsubscribing import unsubscribe_headers
from portal.notifications.writing import notify, write

from . import links
from .drafting import language_of, letter

KIND = "checkins/check_in"
# Placeholders in the rendered email. Each patron's letter and links replace them.
LETTER, TOKEN, STOP_URL = "«letter»", "token-of-the-link", "«stop-url»"


class Emails:
    """A writer of the emails of one batch.

    The templates are rendered only once for each language, branch and person who asks. Emails in the
    same language from the same branch and person differ only in the letter and the links.
    """

    def __init__(self, library):
        self.library = library
        self._frames: dict = {}

    def write(self, check_in, *, token, at):
        """Return the email to the patron as an unsaved row of the outbox. The link contains `token`."""
        visit, patron, by = check_in.help_session, check_in.asked, check_in.asked_by
        language = language_of(visit, library=self.library)
        frame = self._frame(language, visit.branch, by, patron.check_in_titles, at)
        headers = unsubscribe_headers(patron, [KIND])
        words = letter(check_in, by=by, neutral=True, language=language)
        stop_url = headers["List-Unsubscribe"].strip("<>")
        # Insert the letter last. Otherwise a name in the letter that looks like a placeholder is replaced.
        text = frame.text.replace(TOKEN, token).replace(STOP_URL, stop_url).replace(LETTER, words)
        html = frame.html.replace(TOKEN, token).replace(STOP_URL, escape(stop_url))
        return write(
            kind=KIND,
            to=patron.email or "",
            at=at,
            recipient=patron,
            language=frame.language,
            subject=frame.subject,
            text=text,
            html=html.replace(LETTER, linebreaks(words, autoescape=True)),
            headers=headers,
            blank=True,
            ends_at=check_in.link_ends_at,
            # The push message opens this URL. After sending, the worker deletes the URL and the text.
            url=frame.url.replace(TOKEN, token),
            branch=visit.branch,
            save=False,
        )

    def _frame(self, language, branch, by, has_titles, at):
        key = language, branch.pk, by and by.pk, has_titles
        if key not in self._frames:
            url = links.url_of(TOKEN)
            self._frames[key] = notify(
                KIND,
                to="",
                at=at,
                language=language,
                context={
                    "by": by,
                    "branch": branch,
                    "has_titles": has_titles,
                    "letter": LETTER,
                    "url": url,
                    "stop_url": STOP_URL,
                },
                url=url,
                library=self.library,
                save=False,
            )
        return self._frames[key]
