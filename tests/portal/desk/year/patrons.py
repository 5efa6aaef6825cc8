"""What patrons do in the generated year, and what staff do with their records."""

import uuid
from contextlib import suppress

from allauth.account.models import EmailAddress

from accounts.models import LibraryCard, User
from portal.conversations import actions as conversations
from portal.conversations import outcomes
from portal.conversations.changes import Erased
from portal.helpsessions import handover, keeping
from portal.helpsessions.models import HelpSession
from portal.privacy import erasure, holds
from portal.privacy.models import MergedRecords
from portal.privacy.unmerging import merge_for_a_day, unmerge
from tests.factories import (
    UserFactory,
)

from .times import HOUR, MINUTE, ZONE

# Patrons choose for how long the library keeps their visits, so that some are forgotten during the year.
REMEMBER = ["365", "365", "90", "30"]


class Patrons:
    """A mixin of Year with the steps that patrons take."""

    def _new_patron(self):
        patron = UserFactory(check_ins="email")
        EmailAddress.objects.create(user=patron, email=patron.email, primary=True, verified=True)
        if on_card := self.pick(["STU", "STU", "UNKNOWN", ""]):
            card = LibraryCard.objects.create(
                person=patron,
                ils_id=str(uuid.uuid4()),
                barcode=str(patron.pk),
                patron_group=on_card,
                seen_at=self.at,
            )
            self.owner_of[card.pk] = patron.pk
            self.group_of[card.pk] = self.groups[0 if on_card == "STU" else -1].pk
        return patron

    def _cards_of(self, person):
        """Return the primary keys of the person's library cards, the oldest first."""
        return sorted(card for card, owner in self.owner_of.items() if owner == person)

    def keep_later(self):
        visit = self.some_visit(patron=None, quiet=False, with_child="")
        if visit is None:
            return
        if not visit.handed_over_at:
            handover.hand_over(visit, by=self.pick(self.staff), at=self.at, base_url="https://l.example")
        person = self.pick(self.patrons)
        keeping.keep(visit, by=person, at=self.at, wording="May we?", language="en")
        columns = self._with_group_of_card({"patron_group": visit.patron_group_id}, person)
        self.ledger.change(visit.pk, handed=1, **columns)

    def answer(self):
        if visit := self.some_visit(patron__isnull=False):
            outcomes.take_outcome(visit, by=visit.patron, at=self.at, found=self.pick(["all", "no"]))

    def remember(self):
        """Let a patron choose for how long the library keeps their visits."""
        patron = self.pick(self.patrons)
        chosen = {"remember": self.pick(REMEMBER), "remember_chosen_at": self.at}
        User.objects.filter(pk=patron.pk).update(**chosen)

    def converse(self):
        """Let a patron ask something. Staff answer later, or never."""
        branch, patron, asked = self.pick(self.all_branches), self.pick(self.patrons), self.at
        conversation = conversations.ask(
            by=patron, at=self.at, branch=branch, body="Hello?", language="en", client_token=uuid.uuid4()
        )
        if self.random.random() < 0.9:
            wait = self.pick([3, 40, 200, 600, 3000]) * MINUTE
            self.later(asked + wait, lambda: self._answer(conversation, branch, asked))

    def _answer(self, conversation, branch, asked):
        """Answer the conversation, and an hour later answer it again, close it or erase it.

        Sometimes count it as a contact.
        """
        by, at, token, contact = self.pick(self.staff), self.at, uuid.uuid4(), None
        if self.random.random() < 0.4:
            fields, columns = self.contact()
            contact = {**fields, "token": token}
        try:
            self._reply(conversation, by, contact)
        except Erased:
            return
        if contact:
            self.happened["contact of a conversation"] += 1
            self.ledger.add(HelpSession.objects.get(public_id=token).pk, **columns, staff=by.pk)
        self.ledger.insert(
            "year_answer",
            conversation=conversation.pk,
            branch=branch.pk,
            month=f"{at.astimezone(ZONE):%Y-%m}",
            asked=int(asked.timestamp()),
            answered=int(at.timestamp()),
        )
        end = self.pick([self._close, self._erase_conversation, self._reply])
        self.later(at + HOUR, lambda: end(conversation, by))

    def _close(self, conversation, by):
        with suppress(Erased):
            conversations.close(conversation, by=by, side="staff", at=self.at)

    def _erase_conversation(self, conversation, by):
        with suppress(Erased):
            holds.erase_conversation(conversation, by=by, at=self.at)

    def _reply(self, conversation, by, contact=None):
        conversations.reply(
            conversation,
            by=by,
            side="staff",
            at=self.at,
            body="Yes.",
            language="en",
            client_token=uuid.uuid4(),
            contact=contact,
        )

    def merge(self):
        """Merge two records. Half of the merges are undone within a day."""
        going, into = (User.objects.get(pk=person.pk) for person in self.random.sample(self.patrons, 2))
        pk = going.pk
        merged = merge_for_a_day(going, into, by=self.staff[0], at=self.at)
        self.patrons.remove(User(pk=pk))
        cards = self._cards_of(pk)
        self.owner_of |= dict.fromkeys(cards, into.pk)
        if self.pick([True, False]):
            # Before the merge is undone, patrons keep and answer visits, and staff record and correct visits.
            for step in self.random.sample([self.record, self.keep_later, self.correct, self.answer], 2):
                self.later(self.at + HOUR, step)
            self.later(self.at + 5 * HOUR, lambda: self._unmerge(merged.pk, cards))
        if len(self.patrons) < 6:
            self.patrons.append(self._new_patron())

    def _unmerge(self, pk, cards):
        if merged := MergedRecords.objects.filter(pk=pk).first():
            person = unmerge(merged, by=self.staff[0], at=self.at)
            self.patrons.append(person)
            self.owner_of |= dict.fromkeys(cards, person.pk)
            self.happened["unmerge"] += 1

    def erase(self):
        patron = self.patrons.pop(self.random.randrange(len(self.patrons)))
        # After the erasure, the patron's visits no longer say who helped.
        visits = "SELECT id FROM helpsessions_helpsession WHERE patron_id = %s"
        self.ledger.run(f"UPDATE year_contact SET staff = NULL WHERE id IN ({visits})", patron.pk)
        erasure.erase(User.objects.get(pk=patron.pk), language="en", at=self.at)
        self.patrons.append(self._new_patron())
        self.happened["erase"] += 1
