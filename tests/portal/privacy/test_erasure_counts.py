"""Test that the erase page, the receipt and the actual deletion agree on the number of rows of each kind.

The visits have random contents, and they cover every way that two people can share a visit. Deletions are
counted in the whole database.
"""

import datetime
import random
import time
import uuid
from itertools import product

import pytest
from allauth.usersessions.models import UserSession
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import Consent, User
from accounts.sign_in.access import REAUTHENTICATED_AT
from portal.conversations.models import Attachment, Conversation, Draft, Message
from portal.helpsessions.models import HelpSession
from portal.lists.models import SavedItem, SavedList
from portal.notifications.models import Notification
from portal.notifications.writing import write
from portal.privacy import sharing
from portal.privacy.models import Erasure
from recommendations.models import Recommendation
from tests.factories import (
    ChildFactory,
    ConversationFactory,
    HelpSessionFactory,
    MessageFactory,
    SavedItemFactory,
    SavedListFactory,
    SharedSessionFactory,
    UserFactory,
    attach_to,
    code_for,
    recommend_in,
    recommend_in_message,
)

pytestmark = pytest.mark.django_db

LONG_AGO = timezone.now() - datetime.timedelta(days=3)
# KEPT_BY lists who has the visit: `me` alone, `me` with another person, only another person, or nobody. In
# the last two cases, `me` has left the visit. HAS_CODE says whether a code opens the visit.
KEPT_BY, HAS_CODE = (
    ("alone", "with another", "left to another", "left to nobody"),
    (False, True),
)


def visits(me, branch, staff, chance):
    """Create visits that are or were in this person's account, and one visit of other people."""
    part, others = ("patron", "shared_with") if me.is_child else ("shared_with", "patron")
    for mine, has_code in product(KEPT_BY, HAS_CODE):
        other = (
            None if mine in ("alone", "left to nobody") else UserFactory() if me.is_child else ChildFactory()
        )
        at = LONG_AGO - datetime.timedelta(minutes=chance.randrange(1000))
        visit = SharedSessionFactory(
            branch=branch, staff=staff, created_at=at, kept_at=at, **{part: me, others: other}
        )
        fill(visit, [me, *filter(None, [other]), None], staff, chance)
        if mine.startswith("left"):
            sharing.stop_keeping(visit, by=me, at=timezone.now())
        if has_code:
            code_for(visit)
    fill(
        SharedSessionFactory(branch=branch, staff=staff, patron=ChildFactory(), shared_with=UserFactory()),
        [None],
        staff,
        chance,
    )


def fill(visit, writers, staff, chance):
    recommend_in(visit, chance.randrange(3))
    for _ in range(chance.randrange(1, 3)):
        conversation = ConversationFactory(help_session=visit, status="closed")
        for writer in chance.choices([*writers, staff], k=chance.randrange(1, 7)):
            side = "staff" if writer == staff else "patron"
            said = MessageFactory(conversation=conversation, side=side, author=writer, sent_at=LONG_AGO)
            if chance.random() < 0.3:
                attach_to(said)
            if side == "staff":
                recommend_in_message(said, chance.randrange(2))
        for writer in writers:
            if chance.random() < 0.5:
                how = {
                    "person": writer,
                    "side": "patron",
                    "client_token": uuid.uuid4(),
                    "sequence": 1,
                    "saved_at": LONG_AGO,
                }
                Draft.objects.create(kind="reply", conversation=conversation, body="Half written", **how)
            if chance.random() < 0.4:
                Attachment.objects.filter(
                    pk=attach_to(
                        MessageFactory(conversation=conversation, author=writer, sent_at=LONG_AGO)
                    ).pk
                ).update(message=None)


def other_rows(me, branch, staff):
    """Create rows that are not about a child's visit."""
    fill(
        HelpSessionFactory(branch=branch, staff=staff, patron=me, kept_at=LONG_AGO),
        [me, None],
        staff,
        random.Random(1),
    )
    # Patrons don't see this conversation, because it has no messages.
    ConversationFactory(help_session=None, patron=me, branch=branch, status="closed")
    joined = ConversationFactory(
        help_session=None, patron=me, branch=branch, status="closed", last_message_at=LONG_AGO
    )
    MessageFactory(
        conversation=(into := ConversationFactory(help_session=None, patron=me, branch=branch)),
        author=me,
        sent_at=LONG_AGO,
    )
    Conversation.objects.filter(pk=joined.pk).update(merged_into=into)
    SavedItemFactory(saved_list=SavedListFactory(patron=me))
    Consent.objects.create(
        person=me,
        purpose="keep_session",
        subject=me.public_id,
        wording="Yes",
        language="en",
        given_at=LONG_AGO,
    )
    UserSession.objects.create(user=me, session_key="elsewhere", ip="127.0.0.1")
    mail = {
        "kind": "helpsessions/hand_over",
        "at": LONG_AGO,
        "language": "en",
        "subject": "Your visit",
        "text": "",
    }
    write(to=me.email, recipient=me, **mail)
    # The desk typed the email address in capital letters.
    write(to=me.email.upper(), **mail)
    write(to="somebody@example.org", **mail)


def known_to(me):
    """Return {kind: primary keys} of all rows that `me` can see. This excludes other people's drafts."""
    not_sent = Attachment.objects.filter(message=None).exclude(added_by=me)
    return {
        "visits": keys(HelpSession.objects.exclude(question="")),
        "recommendations": keys(Recommendation.objects.exclude(reason="")),
        "conversations": keys(
            Conversation.objects.filter(merged_into=None, last_message_at__isnull=False).exclude(
                status="erased"
            )
        ),
        "messages": keys(Message.objects.all()),
        "attachments": keys(Attachment.objects.exclude(pk__in=not_sent)),
        "drafts": keys(Draft.objects.filter(person=me)),
        "lists": keys(SavedList.objects.all()),
        "list_items": keys(SavedItem.objects.all()),
        "consents": keys(Consent.objects.all()),
        "mails": keys(Notification.objects.exclude(kind="privacy/erased")),
        "sign_ins": keys(UserSession.objects.all()),
    }


def keys(rows):
    return set(rows.values_list("pk", flat=True))


def lines(page):
    return page.context["goes"], page.context["stays"]


@pytest.mark.few_cases
@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("make", [ChildFactory, UserFactory])
def test_erase_page_and_receipt_show_the_exact_numbers_of_deleted_rows(make, seed, branch, staff, sign_in):
    me, chance = make(email="me@example.org"), random.Random(seed)
    visits(me, branch, staff, chance)
    other_rows(me, branch, staff)
    browser = sign_in(Client(), User.objects.get(pk=me.pk))
    session = browser.session
    session[REAUTHENTICATED_AT] = time.time()
    session.save()
    asked, before = browser.get(reverse("erase")), known_to(me)
    wrote, shared = keys(Message.objects.filter(author=me)), keys(HelpSession.objects.filter(shared_with=me))
    answer = browser.post(reverse("erase"))
    receipt, after = Erasure.objects.get(), known_to(None)
    gone = {what: len(before[what] - after[what]) for what in before}
    stays = {"messages_left": len(wrote & after["messages"]), "visits_left": len(shared & after["visits"])}
    assert receipt.counts == {what: count for what, count in (gone | stays).items() if count}
    assert lines(asked) == lines(Client().get(answer.url))
    assert keys(Message.objects.filter(writer_erased=True)) == wrote & after["messages"]
    # If one of these numbers were 0, the random data would be too small to test anything.
    assert min(gone["messages"], gone["attachments"], gone["drafts"], stays["messages_left"]) > 0
