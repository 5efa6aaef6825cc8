"""Set up the pages to measure: their data, their requests and their maximum CPU times."""

import datetime
import html
import re
import uuid
from itertools import cycle, islice

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import Branch, Library, NameWord, StaffRole, User
from accounts.sign_in.access import SECOND_FACTOR
from accounts.sign_in.sign_ins import LAST_USED_ON
from bench import titles
from bench.browser import Page, Request
from portal.conversations.models import Conversation, Message, Participation, Side
from portal.conversations.search import index_conversation, index_message
from portal.helpsessions.models import HelpSession
from portal.models import LimitCount
from recommendations.models import Item, QuestionType, Recommendation, Topic
from tests.factories import (
    BranchFactory,
    CheckInFactory,
    ConversationFactory,
    HelpSessionFactory,
    LibraryFactory,
    MessageFactory,
    SavedItemFactory,
    SavedListFactory,
    StaffFactory,
    TopicFactory,
    UserFactory,
    recommend_in,
)

# The maximum CPU time of each page, as a multiple of the CPU time of the minimal page.
BARS = {
    "home": 2,
    "home with check-in": 2,
    "visit": 2.5,
    "item": 2.5,
    "conversation": 1.5,
    "conversation poll": 0.7,
    "patron reply": 2.5,
    "saved list": 2.5,
    "list of 300": 2.5,
    "recommendations": 2.5,
    "verdict": 3,
    "queue": 2,
    "queue poll": 0.7,
    # docs/decisions/0057 says why this limit is higher than 2.
    "desk conversation": 2.5,
    "desk poll": 0.7,
    "staff reply": 4,
    "record form": 3,
    "record form, saved": 3,
    "item keystroke": 2,
    "search, two errors": 4,
    "what worked": 2,
    "figures": 2,
}

PATRON, ASKED_PATRON, READER, STAFF, COORDINATOR, STAFF_ELSEWHERE = (
    f"bench-{who}@example.org" for who in ("patron", "asked", "reader", "staff", "coordinator", "elsewhere")
)
NAME = "Wilhelmina Quillfeather"
# Requests change only the data of the branch with this slug. So polls of other branches find nothing new.
ELSEWHERE = "bench-elsewhere"
BRANCHES, COLLEAGUES, TOPICS = 10, 60, 20
WORDS = "I have placed a hold for you and added a kit you can borrow today. " * 3
TOKEN = "c" * 32
Status = Conversation.Status


def set_up(count):
    """Fill the database if it is empty, and return {name: Page}.

    A page that needs new data for each request gets `count` prepared requests.
    """
    if not User.objects.filter(email=PATRON).exists():
        _fill()
    # An earlier run may have reached some rate limits, so delete all counts.
    LimitCount.objects.all().delete()
    patron, asked, staff, coordinator = (
        _cookies(User.objects.get(email=email)) for email in (PATRON, ASKED_PATRON, STAFF, COORDINATOR)
    )
    conversation = Conversation.objects.get(patron__email=PATRON)
    address = conversation.get_absolute_url()
    item = Item.objects.filter(recommendations__patron__email=PATRON).order_by("pk")[0]
    at_desk = reverse("desk_conversation", args=[conversation.public_id])
    long_list, topic = _list_of_300(), Topic.objects.order_by("pk")[0]
    titles.publish_what_helped(topic)
    typed = {"question": "How do I start a compost bin?", "topic": topic.pk, "question_type": "reference"}
    pages = {
        "home": _get("/", patron),
        "home with check-in": _get("/", asked),
        "visit": _get(conversation.help_session.get_absolute_url(), patron),
        "item": _get(reverse("item", args=[item.public_id]), patron),
        "conversation": _get(address, patron),
        "conversation poll": _poll(address, patron),
        "patron reply": Page(list(_patron_replies(count)), status=302),
        "saved list": _get(reverse("saved"), patron),
        "list of 300": _get(long_list.get_absolute_url(), _cookies(long_list.patron)),
        "list of 300, printed": _get(
            reverse("print_list", args=[long_list.public_id]), _cookies(long_list.patron)
        ),
        "recommendations": _get(reverse("recommendations"), patron),
        "verdict": Page(list(_verdicts(count)), htmx=True),
        "sign-in": _get(reverse("sign_in"), {}),
        "sign-in, code sent": Page(list(_sign_ins(count)), status=302),
        "queue": _get(reverse("desk"), staff),
        "queue poll": _poll(reverse("desk"), staff),
        "queue search": _get(f"{reverse('desk')}?q=question+hold", staff),
        "desk conversation": _get(at_desk, staff),
        "desk poll": _poll(at_desk, staff),
        "staff reply": Page(list(_staff_replies(count)), htmx=True),
        "record form": _get(reverse("record"), staff),
        "record form, saved": Page(list(_records(count)), status=302),
        "item keystroke": _get(f"{reverse('desk_items')}?q=book+of+th", staff, htmx=True),
        "search, two errors": _get(f"{reverse('desk_items')}?q=bookk+of+thigns", staff, htmx=True),
        "what worked": Page([_post(reverse("asked_before"), staff, typed)], htmx=True),
        "figures": _get(reverse("figures"), coordinator),
        "outcomes": _get(reverse("outcomes"), coordinator),
        "people lookup": Page(list(_lookups(count))),
    }
    return pages | {name: pages[name]._replace(bar=bar) for name, bar in BARS.items()}


def library():
    """Return (branches, staff, topics). `staff[n]` works at `branches[n % len(branches)]`.

    The small and the large database have the same number of branches, staff and topics. More of these rows in
    the large database would also make its pages slower.
    """
    if not Library.objects.exists():
        branches = [LibraryFactory().default_branch, *BranchFactory.create_batch(BRANCHES - 1)]
        for n in range(COLLEAGUES):
            StaffFactory(branch=branches[n % BRANCHES], email=f"colleague{n}@example.org")
        TopicFactory.create_batch(TOPICS)
    branches = Branch.objects.exclude(slug=ELSEWHERE).order_by("pk")
    return list(branches), list(_colleagues()), list(Topic.objects.order_by("pk"))


def staff_cookies():
    """Return the cookies of a staff member. Create the data of the pages first if there is none."""
    if not User.objects.filter(email=STAFF).exists():
        _fill()
    return _cookies(User.objects.get(email=STAFF))


def _colleagues():
    return User.objects.filter(staff_roles__isnull=False, email__startswith="colleague").order_by("pk")


def _fill():
    """Create the data of the pages.

    The patron has 30 visits. The 25 conversations of other patrons are first in the queue, because they have
    waited longest.
    """
    [branch, *_others], colleagues, topics = library()
    staff = StaffFactory(branch=branch, email=STAFF)
    StaffFactory(branch=branch, branch__role=StaffRole.Role.COORDINATOR, email=COORDINATOR)
    StaffFactory(branch=BranchFactory(slug=ELSEWHERE), email=STAFF_ELSEWHERE)
    patron, *others = [UserFactory(email=PATRON, name=NAME), *UserFactory.create_batch(9)]
    now = timezone.now()
    for person in [patron, *others]:
        sessions = HelpSessionFactory.create_batch(30, patron=person, staff=staff, branch=branch)
        for session, items in zip(sessions, [5, 3, 3, 3, 3], strict=False):
            recommend_in(session, items, item__branch=branch, item__call_number="635 WRI")
        conversation = ConversationFactory(help_session=sessions[0], status=Status.WAITING_FOR_PATRON)
        for n in range(30):
            side, author = (Side.STAFF, staff) if n % 2 else (Side.PATRON, person)
            sent_at = now - datetime.timedelta(hours=40 - n)
            MessageFactory(conversation=conversation, side=side, author=author, body=WORDS, sent_at=sent_at)
    _ask_about_a_visit(staff, branch)
    saved = SavedListFactory(patron=patron)
    for recommendation in Recommendation.objects.filter(patron=patron):
        SavedItemFactory(saved_list=saved, item=recommendation.item, recommendation=recommendation)
    for n, session in enumerate(sessions[1:26]):
        opened_at = now - datetime.timedelta(days=1000, hours=-n)
        conversation = ConversationFactory(
            help_session=session,
            patron=others[n % 9],
            topic=topics[n % TOPICS],
            subject=f"Question {n}: {WORDS}"[:120],
            opened_at=opened_at,
            promised_at=opened_at + datetime.timedelta(days=1),
            assignee=colleagues[n // 3 % 6 * BRANCHES] if n % 3 else None,
        )
        MessageFactory(conversation=conversation, body=WORDS, sent_at=opened_at)
    for conversation in Conversation.objects.filter(help_session__staff=staff):
        index_conversation(conversation)
        for message in conversation.messages.all():
            index_message(message)


def _ask_about_a_visit(staff, branch):
    """Create a patron with 30 visits, for the page "home with check-in".

    The page asks how one visit turned out, and whether the library may ask again later.
    """
    Library.objects.update(check_ins=True)
    person = UserFactory(email=ASKED_PATRON)
    visits = HelpSessionFactory.create_batch(30, patron=person, staff=staff, branch=branch)
    CheckInFactory(help_session=visits[0], due_on=Library.current().today())


def _list_of_300():
    """Return a patron's list of 300 titles. Create it if it does not exist."""
    patron = User.objects.filter(email=READER).first() or UserFactory(email=READER)
    return titles.list_of_300(patron, library()[0][0])


def new_conversations(count, status):
    """Create `count` conversations, each with a new patron and four messages that both sides have read."""
    staff, branch, now = _staff_elsewhere(), Branch.objects.get(slug=ELSEWHERE), timezone.now()
    patrons = _new_patrons(count)
    sessions = HelpSession.objects.bulk_create(
        HelpSessionFactory.build(patron=patron, staff=staff, branch=branch, kept_at=now) for patron in patrons
    )
    sent = [now - datetime.timedelta(hours=hours) for hours in (5, 4, 3, 2)]
    conversations = Conversation.objects.bulk_create(
        ConversationFactory.build(
            help_session=session, status=status, opened_at=sent[0], last_message_at=sent[-1]
        )
        for session in sessions
    )
    for side, at in zip([Side.PATRON, Side.STAFF] * 2, sent, strict=True):
        Message.objects.bulk_create(
            MessageFactory.build(conversation=conversation, side=side, body=WORDS, sent_at=at)
            for conversation in conversations
        )
    Participation.objects.bulk_create(
        Participation(conversation=conversation, side=side, person=person, read_until=sent[-1])
        for conversation in conversations
        for side, person in [(Side.PATRON, conversation.patron), (Side.STAFF, staff)]
    )
    return conversations


def _staff_elsewhere():
    return User.objects.get(email=STAFF_ELSEWHERE)


def _new_patrons(count):
    patrons = User.objects.bulk_create(UserFactory.build(email=_new_address()) for _ in range(count))
    NameWord.objects.index(patrons)
    return patrons


def _new_address():
    return f"{uuid.uuid4()}@example.org"


def _patron_replies(count):
    for conversation in new_conversations(count, Status.WAITING_FOR_PATRON):
        fields = {"body": WORDS, "client_token": uuid.uuid4(), "sequence": 0}
        yield _post(reverse("reply", args=[conversation.public_id]), _cookies(conversation.patron), fields)


def _staff_replies(count):
    cookies = _cookies(_staff_elsewhere())
    for conversation in new_conversations(count, Status.WAITING_FOR_STAFF):
        fields = {
            "action": "send",
            "body": WORDS,
            "client_token": uuid.uuid4(),
            "sequence": 0,
            "seen": conversation.messages.latest("pk").pk,
            "at": timezone.now().isoformat(),
            "language": "en",
            "then": Message.Then.TURN,
            "items-TOTAL_FORMS": 0,
        }
        yield _post(reverse("desk_reply", args=[conversation.public_id]), cookies, fields)


def _verdicts(count):
    """Yield requests that set verdicts on the five items of a visit. Each request changes one verdict."""
    staff, patron = _staff_elsewhere(), UserFactory(email=_new_address())
    visit = HelpSessionFactory(patron=patron, staff=staff, branch=Branch.objects.get(slug=ELSEWHERE))
    recommendations, cookies = recommend_in(visit, 5), _cookies(patron)
    for n in range(count):
        verdict = [Recommendation.Verdict.HELPED, Recommendation.Verdict.PARTLY][n // 5 % 2]
        fields = {"verdict": verdict, "back": visit.get_absolute_url()}
        yield _post(reverse("verdict", args=[recommendations[n % 5].public_id]), cookies, fields)


def _sign_ins(count):
    for patron in _new_patrons(count):
        yield _post(reverse("sign_in"), {}, {"email": patron.email})


def _records(count):
    """Yield requests that save a record form with two items. Each request also makes a code for the patron.

    The browser session of a staff member stores the new codes of the last ten minutes. If all requests shared
    one session, this session would grow with each request. So each request has a separate session.
    """
    today, items = Library.current().today(), Item.objects.order_by("pk")[:2]
    chosen = {f"items-{n}-item": item.public_id for n, item in enumerate(items)}
    reasons = {f"items-{n}-reason": "because a beginner can follow it" for n in range(2)}
    for colleague in islice(cycle(_colleagues()), count):
        fields = {
            "action": "save",
            "token": uuid.uuid4(),
            "question": WORDS,
            "summary": WORDS,
            "mode": HelpSession.Mode.IN_PERSON,
            "question_type": QuestionType.REFERENCE,
            "people": 1,
            "language": "en",
            "happened_on": today,
            "hour": 0,
            "branch": colleague.desk_branch_ids[0],
            "items-TOTAL_FORMS": 2,
        }
        yield _post(reverse("record"), _cookies(colleague), fields | chosen | reasons)


def _lookups(count):
    """Yield requests that look up a patron by the first letters of the name.

    The staff members take turns, because each staff member may do only 20 lookups an hour.
    """
    fields = {"letters": "wilh quill", "reason": "They are on the phone and ask for their list."}
    for colleague in islice(cycle(_colleagues()), count):
        yield _post(reverse("patrons_by_name"), _cookies(colleague), fields)


def _get(path, cookies, **page):
    return Page([Request(path, cookies)], **page)


def _post(path, cookies, fields):
    return Request(
        path, cookies | {settings.CSRF_COOKIE_NAME: TOKEN}, fields | {"csrfmiddlewaretoken": TOKEN}
    )


def _poll(page, cookies):
    """Return the poll that an open page sends. Nothing has changed, so the response has the status 204."""
    browser = Client(headers={"host": "localhost"})
    browser.cookies.load(cookies)
    # The first request marks all messages as read. After that, the page no longer changes.
    browser.get(page, secure=True)
    source = browser.get(page, secure=True).content.decode()
    if match := re.search(r'data-poll="([^"]+)"', source):
        path = html.unescape(match[1])
    else:
        news, state = (re.search(rf'data-{name}="([^"]+)"', source)[1] for name in ("news", "state"))
        path = f"{news}?since={html.unescape(state)}"
    return _get(path, cookies, status=204, htmx=True)


def _cookies(person):
    """Create a session for the person, and return the cookies of their browser."""
    store = SessionStore()
    store.update(
        {
            SESSION_KEY: str(person.pk),
            BACKEND_SESSION_KEY: settings.AUTHENTICATION_BACKENDS[0],
            HASH_SESSION_KEY: person.get_session_auth_hash(),
            SECOND_FACTOR: timezone.now().isoformat(),
            LAST_USED_ON: Library.current().today().isoformat(),
        }
    )
    store.create()
    return {settings.SESSION_COOKIE_NAME: store.session_key}
