"""The rate limit of each kind of action. docs/security.md has the same table."""

from dataclasses import dataclass

BY = ("person", "network", "target")
SECONDS = {"m": 60, "h": 60 * 60, "d": 24 * 60 * 60}


@dataclass(frozen=True)
class Limit:
    """A limit for one kind of action: how often it is allowed for each person, network address and target.

    In `person`, `network` and `target`, "3/m, 8/h" means three per minute and eight per hour, and "" means no
    limit. docs/security.md has a table of all limits. `what` is the name of the action in that table, and
    `target_is` is the name of the target.
    """

    what: str
    person: str = ""
    network: str = ""
    target: str = ""
    target_is: str = ""

    def rates(self, by):
        """Return the rates for `by` as [(number of actions, seconds)]. `by` is one of BY."""
        pairs = (rate.strip().split("/") for rate in getattr(self, by).split(",") if rate)
        return [(int(amount), int(duration[:-1] or 1) * SECONDS[duration[-1]]) for amount, duration in pairs]


LIMITS = {
    # The limits for signing in. Known and unknown addresses have the same limit, because a code to an unknown
    # address creates an account.
    "mailed_code": Limit(
        "codes by email: to sign in, to start an account, to confirm an address",
        "20/h, 40/d",
        "30/m, 600/h",
        "3/m, 8/h",
        "the address",
    ),
    "mailed_code_try": Limit(
        "tries of a code from an email", network="200/10m", target="5/10m", target_is="the code"
    ),
    # An ILS locks a card after a few wrong PINs, so this limit must be lower than the limit of the ILS.
    "card_sign_in": Limit(
        "card and PIN, before the ILS is asked",
        "",
        "30/m, 300/h",
        "5/15m, 20/d",
        "the card",
    ),
    "passkey": Limit("sign-ins with a passkey", "60/h", "60/m, 600/h"),
    "single_sign_on": Limit("sign-ins with single sign-on", "20/h", "30/m, 600/h"),
    "address_change": Limit("changes of an email address that wait a week; each sends an email", "5/d"),
    "record_of_a_device": Limit("accounts made for one device only, to keep a visit", network="60/h"),
    # Codes of visits have 43 bits, so nobody can guess one in thirty tries. If there are many wrong codes in
    # the whole library, an attacker is guessing from many addresses. In that case, browsers that are not
    # signed in and have opened no visit get fewer tries. They keep some tries, because otherwise the attacker
    # could shut out every patron.
    "visit_code": Limit("wrong codes of visits and accounts", "10/10m", "30/10m"),
    "visit_code_of_all": Limit(
        "wrong codes in the whole library; after that, the next limit applies too",
        target="300/10m",
        target_is="the library",
    ),
    "visit_code_of_stranger": Limit(
        "wrong codes from browsers that are not signed in and opened no visit", network="3/10m"
    ),
    # The limits for the page that a link in a check-in email opens. Nobody can guess a link. `unknown_link`
    # only limits how many lines wrong links add to the security log.
    "unknown_link": Limit("links that the library never sent", network="60/10m"),
    "answer_by_link": Limit(
        "answers and texts with the link in an email", network="600/h", target="120/h", target_is="the link"
    ),
    # The limits for what patrons write. Nobody types fast enough to reach the limit for messages.
    "question": Limit("new questions", "20/d", "200/d", "20/d", "the visit, if nobody keeps it"),
    "unsent_question": Limit(
        "questions that wait in a new browser until an address is confirmed", network="200/d"
    ),
    "unsent_text": Limit(
        "texts that wait in a browser until somebody signs in, because the author was signed out",
        network="60/10m, 600/d",
    ),
    "message": Limit(
        "messages from patrons", "300/h", "3000/h", "300/h", "the conversation, if nobody keeps the visit"
    ),
    "call": Limit("requests for a call", "3/d", "60/d", "3/d", "the device"),
    "call_about_visit": Limit(
        "requests for a call about one visit",
        target="3/d",
        target_is="the visit, if nobody keeps it",
    ),
    "call_change": Limit("changes of the number for a call", "10/d", "200/d", "10/d", "the device"),
    "file": Limit(
        "pictures and PDFs", "120/h", "1000/h", "120/h", "the conversation, if nobody keeps the visit"
    ),
    # The limits for links to lists and items. A whole class can open a link at the same time.
    "list_link": Limit("links that patrons make to their lists", "60/h"),
    "staff_link": Limit("links that staff make to items", "60/h"),
    "shared_list": Limit(
        "pages of links to lists and items, whether the link works or not", network="120/m, 1200/h"
    ),
    "list_email": Limit("lists that patrons email to themselves", "10/h, 30/d"),
    # A search with typing errors takes the server longer than a page. Nobody types fast enough to reach this
    # limit.
    "catalog_search": Limit("searches of patrons in the catalog", "40/m, 300/10m", "200/m"),
    "push_device": Limit("devices that get messages", "20/h", "600/h"),
    # The limits for work at the desk. They are far higher than a shift needs, but too low for guessing a code
    # or for reading the records of all patrons.
    "code_at_desk": Limit("codes of slips and code cards that staff type", "60/10m"),
    "look_up": Limit(
        "patrons looked up by a whole card number or address; adding a patron counts too", "60/h"
    ),
    "look_up_by_name": Limit("patrons looked up by letters of their name", "20/h"),
    "hand_over_by_mail": Limit("visits handed over by email", "60/h", "", "5/h", "the address"),
    # Each preview can ask the resolver about many DOIs, and can take seconds.
    "doi_look_up": Limit("previews of pasted DOIs that ask the resolver", "20/10m, 60/h"),
    "test_email": Limit("test emails that a coordinator sends", "20/h"),
    "invitation": Limit("invitations to work at a desk", "60/h", "", "5/h", "the address"),
    # The limits for other systems. Nobody can guess a token. `api_wrong_token` only limits how many lines
    # wrong tokens add to the security log.
    "api": Limit("requests of another system", target="120/m, 3000/h", target_is="its token"),
    "api_wrong_token": Limit("requests of another system with a wrong token", network="60/10m"),
}
