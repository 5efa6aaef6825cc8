"""The rows of a library in which every page has something to show."""

import datetime
import hashlib
import time
import uuid

from django.conf import settings
from django.utils import timezone

from accounts import audit
from accounts.ils import fake
from accounts.models import (
    AddressChange,
    AuditEvent,
    BranchCode,
    Library,
    LibraryCard,
    OpeningHours,
    StaffRole,
)
from accounts.patron.people import person_added_at_desk
from accounts.patron.refused_posts import save_refused_post
from accounts.sign_in import desk_pins
from accounts.sign_in.library_cards import person_with_card
from accounts.staff import shared_desks
from portal.checkins.quotes import share_words
from portal.conversations import actions as conversations
from portal.conversations import call_backs, desk_actions, drafts, next_steps, outcomes, verdicts
from portal.conversations.models import Conversation, Event, Message, Participation
from portal.conversations.starter_templates import STARTERS
from portal.helpsessions.account_codes import make_code as make_account_code
from portal.helpsessions.models import ClaimCode, OwnField, SessionRecommendation
from portal.imports.matching import match
from portal.imports.models import Harvest, SavedMapping
from portal.incoming.models import IncomingEmail
from portal.kits.actions import make_kit
from portal.kits.models import GotCount, ItemCount, Kit, KitCount, KitItem
from portal.lists.actions import save
from portal.lists.links import address_of, make_link
from portal.lists.own_words import add_title as add_by_patron
from portal.lists.staff_links import end_staff_link, make_staff_link
from portal.notifications.unsubscribing import unsubscribe_url
from portal.privacy import holds, sharing, unmerging
from portal.privacy.models import Correction, UnfinishedCorrection
from recommendations.actions import change_item, record_verdict
from recommendations.chosen_items import ChosenItem
from recommendations.models import Holding, NextStep, QuestionType, Topic
from tests.factories import (
    AbsenceFactory,
    ApiTokenFactory,
    BranchFactory,
    CheckInFactory,
    ChildFactory,
    ConversationFactory,
    ExportFactory,
    HelpSessionFactory,
    IncomingEmailFactory,
    InvitationFactory,
    ItemFactory,
    MessageFactory,
    NotificationFactory,
    PasskeyFactory,
    PatronGroupFactory,
    QuietSessionFactory,
    ReplyTemplateFactory,
    SavedItemFactory,
    SavedListFactory,
    ServicePointFactory,
    SessionNoteFactory,
    SharedSessionFactory,
    StaffFactory,
    TallyKindFactory,
    TopicFactory,
    UserFactory,
    ask_by_email,
    attach_to,
    code_for,
    pdf_file,
    photograph,
    recommend_in,
    recommend_in_message,
)
from tests.portal.imports.desk_logs.uploaded import uploaded
from tests.portal.surveys.rules import mark_weeks, save_preset

from .past_outcomes import add_past_outcomes


def verdict_path(recommendation):
    return f"/recommendations/{recommendation.public_id}/verdict/"


class Rows:
    """Rows of every kind for `patron`, and visits that are opened by code."""

    def __init__(self, branch, staff, patron, words):
        self.branch, self.staff, self.patron, self.words = branch, staff, patron, words
        self.now = timezone.now()
        self.library = Library.current()
        self.add_library()
        self.add_visit_with_verdicts()
        self.add_calls()
        self.add_items_to_come()
        self.add_items_and_old_visits()
        self.add_corrections()
        self.add_conversations()
        self.add_visits_with_a_child()
        self.add_codes()
        self.add_change_of_address()
        self.add_forms_that_wait()
        self.add_desk()
        self.add_desk_logs()
        self.add_holds()
        self.add_emails()
        self.add_openings()
        self.add_check_ins()
        self.add_people_at_the_desk()
        self.add_lists()
        self.list_people()
        add_past_outcomes(branch, topic=words.topic, title=words.title, creators=words.name)

    def add_library(self):
        for thing, name in (
            (self.library, self.words.library),
            (self.branch, self.words.branch),
            (self.staff, self.words.helper),
            (self.patron, self.words.name),
        ):
            thing.name = name
            thing.save()
        self.branch.phone, self.branch.address = "(414) 555-0134", self.words.address
        self.branch.save()
        OpeningHours.objects.bulk_create(
            OpeningHours(branch=self.branch, weekday=day, opens=opens, closes=closes)
            for day in range(7)
            for opens, closes in (
                (datetime.time(0), datetime.time(13)),
                (datetime.time(14, 30), datetime.time(23, 59)),
            )
        )
        Library.objects.update(
            check_ins=True,
            check_ins_of_children=True,
            catalog_link="https://catalog.example/isbn/{isbn}",
            catalog_title_link="https://catalog.example/search?title={title}",
        )
        self.topic = Topic.objects.create(name=self.words.topic)
        self.patron_group = PatronGroupFactory(name=self.words.topic, card_groups=[self.words.helper])
        PatronGroupFactory(name="Other", is_other=True)
        self.own_field = OwnField.objects.create(name=self.words.topic[:40])
        self.own_field.values.create(name=self.words.topic)
        self.service_point = ServicePointFactory(branch=self.branch, name=self.words.topic)
        for key in ("d", ""):
            name = f"{key}{self.words.topic}"[:40]
            kind = TallyKindFactory(service_point=self.service_point, name=name, key=key)
        year = self.library.today().replace(month=1, day=1)
        self.rule_set = save_preset("pls", year, tallies={kind: "transaction"})
        mark_weeks(year)

    def add_visit_with_verdicts(self):
        self.kept = self.session(
            patron=self.patron, kept_at=self.now, found="part", satisfaction="very_good", answered_at=self.now
        )
        self.items = self.given(self.kept, 4)
        record_verdict(self.items[0], verdict="helped", comment=self.words.comment, at=self.now)
        record_verdict(
            self.items[1], verdict="partly", why="too_hard", comment=self.words.comment, at=self.now
        )
        verdicts.take_verdict(
            self.items[2],
            verdict="could_not_get_it",
            why="checked_out",
            comment=self.words.comment,
            by=self.patron,
            at=self.now,
        )
        SessionNoteFactory(help_session=self.kept, body=self.words.message, author=self.staff)
        ExportFactory(person=self.patron)
        for recommendation in self.items:
            self.saved = save(
                recommendation.item, patron=self.patron, at=self.now, recommendation=recommendation
            )
        self.waiting = self.conversation(self.kept, answered=False)
        self.answered = self.conversation(self.kept, status=Conversation.Status.WAITING_FOR_PATRON)
        for said in self.answered.messages.all():
            attach_to(said, photograph(f"{self.words.message}.jpg", size=(900, 600)), alt=self.words.message)
            attach_to(said, photograph(size=(60, 2000)), photograph(), pdf_file(f"{self.words.message}.pdf"))
        self.closed = self.conversation(self.kept, status=Conversation.Status.CLOSED)

    def add_calls(self):
        self.caller = call_backs.Caller(
            "+1 414-555-0134 ext. 4071", self.words.name[:80], may_leave_message=True
        )

        self.called_by = self.session(patron=UserFactory(name=self.words.name), kept_at=self.now)
        self.open_call, self.my_call, self.tried_call = (
            self.with_call(self.kept),
            self.with_call(self.called_by),
            self.with_call(self.called_by),
        )
        self.given_up_call = self.with_call(self.kept)
        # Load the person again as another object, because the cached roles of `staff` change below.
        self.who_calls = type(self.staff).objects.get(pk=self.staff.pk)
        for taken in (self.my_call, self.tried_call, self.given_up_call):
            desk_actions.take(taken, by=self.who_calls, at=timezone.now())
        call_backs.record_outcome(self.tried_call, "no_answer", by=self.who_calls, at=timezone.now())
        call_backs.record_outcome(self.given_up_call, "give_up", by=self.who_calls, at=timezone.now())

    def add_items_to_come(self):
        """Add a visit with items that have a next step. One of the items is late, and one has arrived."""
        self.promised = self.session(patron=self.patron, kept_at=self.now)
        in_a_week = timezone.localdate() + datetime.timedelta(days=7)
        kinds = ["other_item", "ordered", "on_loan", "reserved"]
        self.missed = self.given(self.promised, len(kinds))
        for number, (missed, kind) in enumerate(zip(self.missed, kinds, strict=True)):
            verdicts.take_verdict(
                missed,
                verdict="could_not_get_it",
                why="checked_out",
                comment=self.words.comment if number else "",
                by=self.patron,
                at=self.now,
            )
            other = self.items[0].item if kind == "other_item" else None
            step = next_steps.Step(kind, in_a_week, other)
            row = Conversation.objects.get(recommendation=missed)
            next_steps.record(row, missed, step, by=self.who_calls, at=timezone.now())
        late, arrived = self.missed[-2:]
        NextStep.objects.filter(pk=late.pk).update(
            promised_on=timezone.localdate() - datetime.timedelta(days=1)
        )
        self.arrived = Conversation.objects.get(recommendation=arrived)
        next_steps.mark_arrived(self.arrived, arrived, by=self.who_calls, at=timezone.now())
        self.ordered = Conversation.objects.get(recommendation=self.missed[1])

    def add_items_and_old_visits(self):
        self.answered_twin = self.conversation(self.kept)
        conversations.close(self.answered_twin, by=self.patron, side="patron", at=timezone.now())
        self.uncounted = self.conversation(self.kept, status=Conversation.Status.CLOSED)
        Conversation.objects.filter(pk=self.uncounted.pk).update(count_question="asked")
        self.unattended = BranchFactory(
            name=self.words.helper,
            covered_by=self.branch,
            last_seen_on=timezone.localdate() - datetime.timedelta(days=3),
            unattended_from=self.now - datetime.timedelta(days=1),
        )
        self.item = self.items[0].item
        Holding.objects.create(item=self.item, branch=self.unattended, call_number=self.words.call_number)
        self.item.publisher, self.item.series, self.item.is_fiction = (
            self.words.creators[:200],
            self.words.title[:300],
            True,
        )
        self.item.isbn, self.item.summary = "9780679761044", self.words.summary
        self.item.extent, self.item.audience = self.words.title[:120], "teen"
        self.item.audience_note = self.words.title[:120]
        self.item.save()
        ItemFactory(
            title=self.words.title,
            creators=self.words.creators,
            source="catalog",
            source_key="b1",
            year="2015",
        )
        self.older = [
            self.session(
                patron=self.patron,
                kept_at=self.now,
                days_ago=3 + n,
                question_type=QuestionType.READERS_ADVISORY,
            )
            for n in range(24)
        ]
        self.given(self.older[0], 1)

    def add_corrections(self):
        self.corrected = self.session(patron=self.patron, kept_at=self.now, corrected_on=timezone.localdate())
        self.removed, *_rest = self.given(self.corrected, 3)
        record_verdict(self.removed, verdict="did_not_help", comment=self.words.comment, at=self.now)
        SessionRecommendation.objects.filter(recommendation=self.removed).update(removed_at=self.now)
        self.corrections = [["question", "items", "reasons"], ["minutes", "read_level", "branch", "note"]]
        for fields in self.corrections:
            Correction.objects.create(
                help_session=self.corrected,
                by=self.staff,
                at=self.now,
                fields=fields,
                old_words=dict.fromkeys(fields, self.words.message),
            )
        self.nobodys = self.session()
        self.given(self.nobodys, 2)
        self.away = StaffFactory(name=self.words.helper, branch=self.branch)
        for person in self.staff, self.away:
            UnfinishedCorrection.objects.create(
                help_session=self.nobodys,
                by=person,
                version=0,
                fields={"question": self.words.message},
                saved_at=self.now,
            )
        code_for(self.nobodys)

    def add_conversations(self):
        self.by_code = self.session()
        self.moved = self.session(
            patron=self.patron,
            kept_at=self.now,
            branch=BranchFactory(name=f"3 {self.words.branch[:110]}", closed_at=self.now),
        )
        self.code_items = self.given(self.by_code, 3)
        verdicts.take_verdict(
            self.code_items[0], verdict="did_not_help", why="", comment="", by=None, at=self.now
        )
        self.long = self.conversation(
            self.kept, status=Conversation.Status.WAITING_FOR_PATRON, answered=False
        )
        AbsenceFactory(
            person=self.away,
            first_day=timezone.localdate(),
            last_day=timezone.localdate() + datetime.timedelta(days=9),
            cover=self.staff,
        )
        # The patron has read only the first half of these 40 messages.
        for number in range(40):
            MessageFactory(
                conversation=self.long,
                side="staff",
                author=self.away,
                body=self.words.message,
                sent_at=self.now + datetime.timedelta(seconds=number - 40),
            )
        Conversation.objects.filter(pk=self.long.pk).update(closes_at=self.now + datetime.timedelta(days=9))
        Participation.objects.create(
            conversation=self.long, person=self.patron, read_until=self.now - datetime.timedelta(seconds=20)
        )
        Event.objects.create(
            conversation=self.closed,
            kind=Event.Kind.CLOSED_BY_ITSELF,
            side="staff",
            at=self.now,
            shown_from=self.now,
        )
        Event.objects.create(
            conversation=self.closed, kind=Event.Kind.MERGED, side="staff", at=self.now, shown_from=self.now
        )
        self.emailed = self.conversation(self.kept, status=Conversation.Status.WAITING_FOR_PATRON)
        self.quoted = "\n".join(f"> {line}" for line in self.words.message.split("\n"))
        self.own_email = MessageFactory(
            conversation=self.emailed,
            author=self.patron,
            by_email="own",
            body=f"{self.words.message}\n{self.quoted}\n{self.words.comment}",
            left_out=[[f"{self.words.title[:80]}.docx", "unknown"], ["film.mov", "too_large"]],
        )
        IncomingEmailFactory(message=self.own_email)
        self.added = MessageFactory(
            conversation=self.emailed, author=self.patron, by_email="added", body=self.words.message
        )
        Event.objects.create(
            **{"conversation": self.emailed, "message": self.added, "kind": Event.Kind.OTHER_EMAIL_ADDED},
            **{"side": "staff", "by": self.staff, "at": self.now, "shown_from": self.now},
        )
        self.code_conversation = self.conversation(
            self.by_code, status=Conversation.Status.WAITING_FOR_PATRON
        )
        self.quiet = QuietSessionFactory(branch=self.branch, staff=self.staff, summary=self.words.summary)
        self.quiet_items = self.given(self.quiet, 1)
        self.quiet_conversation = self.conversation(self.quiet, status=Conversation.Status.WAITING_FOR_PATRON)

    def add_visits_with_a_child(self):
        self.child = ChildFactory(name=self.words.name.split()[0])
        self.with_child = {
            "branch": self.branch,
            "staff": self.staff,
            "question": self.words.question,
            "summary": self.words.summary,
            "handed_over_at": self.now,
        }
        self.shared = SharedSessionFactory(
            patron=self.child, kept_at=self.now, shared_with=self.patron, **self.with_child
        )
        self.kept_by_nobody = SharedSessionFactory(**self.with_child)
        self.childs_conversation = self.conversation(
            self.shared, status=Conversation.Status.WAITING_FOR_PATRON
        )
        MessageFactory(conversation=self.childs_conversation, author=self.patron, body=self.words.message)
        self.paper = HelpSessionFactory(
            branch=self.branch,
            staff=self.staff,
            with_child="paper",
            question=self.words.question,
            summary=self.words.summary,
        )
        self.given(self.paper, 2)

    def add_codes(self):
        self.codes = {
            "live": code_for(self.by_code),
            "quiet": code_for(self.quiet),
            "card": code_for(None),
            "childs": code_for(self.kept_by_nobody),
            "shared": code_for(self.shared),
        }
        self.codes |= {
            state.value: code_for(self.session(), state=state)
            for state in (ClaimCode.State.KEPT, ClaimCode.State.REVOKED, ClaimCode.State.FORGOTTEN)
        }
        self.codes["expired"] = code_for(self.session(), at=self.now - datetime.timedelta(days=31))
        PasskeyFactory(person=self.patron, name=self.words.name)

    def add_change_of_address(self):
        self.stop = "0123456789abcdef0123456789abcdef01234560"
        self.leaver = person_with_card(fake.CARDS[0].patron, at=self.now, language="")
        self.leaver.email = "a.name.of.somebody.who.leaves@mail.school.example.org"
        self.leaver.save()
        AddressChange.objects.create(
            person=self.leaver,
            email="new@example.org",
            token_hash=hashlib.sha256(self.stop.encode()).hexdigest(),
            begun_at=self.now,
        )
        save_refused_post(
            self.patron,
            path=self.waiting.get_absolute_url() + "reply/",
            fields={"body": [self.words.message]},
            at=self.now,
        )

    def add_forms_that_wait(self):
        self.at = {
            name: found.get_absolute_url()
            for name, found in {
                "kept": self.kept,
                "by_code": self.by_code,
                "quiet": self.quiet,
                "plain": self.older[0],
            }.items()
        }
        self.conversation_urls = {
            name: found.get_absolute_url()
            for name, found in {
                "waiting": self.waiting,
                "answered": self.answered,
                "closed": self.closed,
                "sorted": self.answered_twin,
            }.items()
        }

        self.wait = [
            {
                "kind": "message",
                "address": f"{self.conversation_urls['answered']}reply/",
                "about": self.words.question,
                "text": self.words.message,
                "withoutFiles": True,
                "refused": "failed",
                "triedAt": time.time() * 1000,
            },
            {
                "kind": "message",
                "address": f"{self.conversation_urls['answered']}reply/",
                "about": self.words.question,
                "text": self.words.message,
            },
            {
                "kind": "visit",
                "address": f"{self.at['kept']}outcome/",
                "about": self.words.title,
                "text": self.words.question,
            },
            {
                "kind": "answer",
                "address": verdict_path(self.items[0]),
                "about": self.words.title,
                "text": self.words.comment,
                "refused": 409,
                "words": self.words.message,
            },
            {
                "kind": "save",
                "address": "/lists/save/1/",
                "about": self.words.title,
                "text": "",
                "refused": "old",
            },
        ]

    def add_desk(self):
        self.later = ConversationFactory(
            help_session=None,
            patron=UserFactory(),
            branch=self.branch,
            promised_at=self.now + datetime.timedelta(days=20),
        )
        MessageFactory(conversation=self.later, body=self.words.message)

        # The staff member can no longer open this conversation, in which they began an answer and a note.
        self.transferred = self.conversation(self.kept)
        for kind in ("reply", "note"):
            drafts.save_draft(
                self.transferred,
                person=type(self.staff).objects.get(pk=self.staff.pk),
                side="staff",
                kind=kind,
                client_token=uuid.uuid4(),
                sequence=1,
                body=self.words.message,
                at=self.now,
            )
        self.transferred.branch = BranchFactory(name=f"2 {self.words.branch[:110]}")
        self.transferred.save()
        BranchCode.objects.create(code=f"1{self.words.branch}"[:40], branch=self.branch)
        BranchCode.objects.create(code=f"2{self.words.name}"[:40], met=3204, met_at=self.now)
        self.api_token = ApiTokenFactory(
            name=self.words.name[:80], may_send_words=True, branches=[self.branch]
        )
        ApiTokenFactory(
            name="Old system", branches=[self.branch], revoked_at=self.now, last_used_on=self.now.date()
        )
        # Make the staff member a coordinator, because nobody else sees the settings.
        StaffRole.objects.filter(user=self.staff).update(role=StaffRole.Role.COORDINATOR)
        self.invited = "89abcdef0123456789abcdef0123456789abcdef"
        InvitationFactory(
            name=self.words.name,
            email=self.patron.email,
            invited_by=self.staff,
            branch=self.branch,
            token_hash=hashlib.sha256(self.invited.encode()).hexdigest(),
        )
        self.absence = AbsenceFactory(
            person=self.staff, cover=StaffFactory(name=self.words.name, branch=self.branch)
        )
        ReplyTemplateFactory(name=STARTERS[6].name, language=STARTERS[6].language)
        self.template = ReplyTemplateFactory(
            name=self.words.question[:80], body=f"{self.words.message} {{patron}} {{item}} {{me}}"
        )

    def add_desk_logs(self):
        """Add one upload in each state. Load the coordinator again, because their roles have changed."""
        coordinator = type(self.staff).objects.get(pk=self.staff.pk)
        SavedMapping.objects.create(name=self.words.topic[:60], saved_at=self.now)
        names = ["Date", "Time", "Location", "Communication", "Question Type", "Duration", "Question"]
        rows = [
            names,
            ["1/6/2024", "10:15", self.words.branch[:200], "Kiosk", self.words.topic, "10-30 min", "Why?"],
            ["2/6/2024", "", self.branch.name, "Phone", "Reference", "5", self.words.question],
        ]
        name = f"{self.words.name[:100]}.csv"
        self.log_to_map = uploaded(coordinator, rows, stage="read", name=name)
        good = [names, *[["1/16/2024", "", self.branch.name, "Phone", "Reference", "5", "Why?"]] * 2]
        wrong = [*good, ["1/16/2024", "", self.branch.name, "Phone", "Reference", self.words.topic, ""]]
        HelpSessionFactory(branch=self.branch, happened_on=datetime.date(2024, 1, 16))
        self.log_to_check = uploaded(coordinator, wrong, stage="checked", name=name)
        self.log_running = uploaded(coordinator, good, stage="importing", name=name)
        self.log_refused = uploaded(coordinator, b"%PDF-1.7", stage="read", name=name)
        self.log_done = uploaded(coordinator, wrong, stage="done", name=name)
        with self.log_done.failed.open("rb") as failed:
            self.log_again = uploaded(coordinator, failed.read(), stage="read", name=name)

    def add_holds(self):
        holds.hold(self.closed, reason=self.words.reason, by=self.staff, at=self.now)
        holds.hold(self.corrected, reason=self.words.reason, by=self.staff, at=self.now)
        holds.lift(
            holds.hold(self.by_code, reason=self.words.reason, by=self.staff, at=self.now),
            by=self.staff,
            at=self.now,
        )
        holds.hold(self.older[3], reason=self.words.reason, by=self.staff, at=self.now)
        self.let_go = SharedSessionFactory(
            branch=self.branch,
            staff=self.staff,
            patron=ChildFactory(),
            shared_with=UserFactory(),
            question=self.words.question,
        )
        holds.hold(self.let_go.shared_with, reason=self.words.reason, by=self.staff, at=self.now)
        sharing.stop_keeping(self.let_go, by=self.let_go.shared_with, at=self.now)

    def add_emails(self):
        self.asks = [
            self.session(patron=UserFactory(), kept_at=self.now),
            self.session(patron=UserFactory(check_in_titles=True), kept_at=self.now, summary=""),
            self.session(patron=self.patron, kept_at=self.now, summary=""),
            self.session(patron=UserFactory(check_ins="push"), kept_at=self.now),
        ]
        self.how, self.how_titles, self.how_signed_in, self.how_by_push = [
            ask_by_email(visit)[1] for visit in self.asks
        ]
        for visit in self.asks[1:3]:
            self.given(visit, 3)
        self.unsubscribe_path = unsubscribe_url(self.patron, ["conversations/answer"]).removeprefix(
            settings.BASE_URL
        )
        self.unsubscribe_check_ins = unsubscribe_url(self.patron, ["checkins/check_in"]).removeprefix(
            settings.BASE_URL
        )
        Harvest.objects.create(
            server="https://catalog.library.example/oai",
            prefix="marc21",
            source="catalogue",
            is_full=True,
            started_at=self.now,
            run_at=self.now,
            read=1200,
            listed=200,
            list_size=56_000,
            added=1100,
            faults=2,
            first_faults=[[f"oai:{self.words.title}", self.words.question], ["", "its header is damaged"]],
            problem=self.words.question,
        )
        self.undelivered = NotificationFactory(recipient=self.patron, dead=True)
        Message.objects.filter(conversation__patron=self.patron, side="staff").update(
            mail_id=self.undelivered.message_id
        )
        NotificationFactory(recipient=None, kind="account/mail", dead=True)

        self.unmatched = IncomingEmailFactory(
            **{"conversation": self.waiting, "person": self.patron, "subject": self.words.question[:200]},
            text=f"{self.quoted}\n{self.words.message}",
        )
        self.unknown = IncomingEmailFactory(
            reason="no_address", sender=f"{'long.' * 12}name@example.net", text=self.words.message, subject=""
        )
        IncomingEmail.objects.create(came_at=self.now, reason="erased")

    def add_openings(self):
        unmerging.merge_for_a_day(
            UserFactory(name=self.words.name, email=None), self.patron, by=self.staff, at=self.now
        )
        self.far = UserFactory(name=self.words.name, email="far.away@example.org")
        for subject in (self.kept, self.waiting, self.patron):
            audit.record("opened", subject, by=self.staff, patron=self.patron, where=AuditEvent.Where.QUEUE)
        audit.record(
            "opened",
            self.far,
            by=self.staff,
            patron=self.far,
            where=AuditEvent.Where.PEOPLE,
            reason=self.words.message[:300],
        )

        shared_desks.unlock(branch=self.branch, name=self.words.branch[:60], by=self.staff, at=self.now)
        desk_pins.set_pin(self.staff, pin="4071", at=self.now)

    def add_check_ins(self):
        self.tomorrow = self.library.today() + datetime.timedelta(days=1)
        # The person's name must be unique, because a search at the desk lists at most eight people with the
        # same name.
        self.asked_by_email = UserFactory(name="Ana Ruiz", check_ins="email", check_in_titles=True)

        self.told_about = self.session(staff=self.staff, patron=self.asked_by_email)
        self.given(self.told_about, 1)
        self.an_hour_ago = self.now - datetime.timedelta(hours=1)
        outcomes.take_outcome(
            self.told_about, by=self.asked_by_email, at=self.an_hour_ago, found="part", by_link=True
        )
        self.told = outcomes.wish_for_answer(
            self.told_about,
            wanted=False,
            by=self.asked_by_email,
            at=self.an_hour_ago,
            language="en",
            body=self.words.message,
            by_link=True,
        )
        self.thanked = self.session(staff=self.staff, patron=self.asked_by_email)
        share_words(
            self.thanked,
            person=self.asked_by_email,
            words=self.words.message[:500],
            wording="Yes.",
            language="en",
            at=self.now,
        )
        HelpSessionFactory.create_batch(
            7,
            staff=self.staff,
            branch=self.branch,
            found="all",
            happened_on=self.tomorrow - datetime.timedelta(days=100),
            created_at=self.now - datetime.timedelta(days=100),
        )

        self.planned = self.check_in()
        self.check_in(reviewed_at=self.now, reviewed_by=self.staff, words=self.words.message)
        self.check_in(by=self.away)
        self.check_in(due_on=self.tomorrow + datetime.timedelta(days=5), set_by="patron")
        self.check_in(due_on=self.library.today())
        self.sent = self.check_in(
            status="asked",
            asked_at=self.now,
            asked_by=self.staff,
            asked=self.patron,
            words=self.words.message,
        )

    def add_people_at_the_desk(self):
        self.known = person_added_at_desk(
            name=self.words.name, email="", language="en", by=self.staff, at=self.now
        )
        self.session(patron=self.known)
        self.account_code = make_account_code(
            person_added_at_desk(name=self.words.name, email="", language="en", by=self.staff, at=self.now),
            by=self.staff,
            at=self.now,
        )

        # The search refuses a name that more than eight people have.
        UserFactory(name=f"{self.words.name} Zwick")
        self.cardholder = UserFactory(name=self.words.name)
        LibraryCard.objects.create(
            person=self.cardholder, ils_id="7777", barcode="2123400007777", seen_at=self.now
        )

    def add_lists(self):
        self.list_link = make_link(
            self.saved.saved_list, with_notes=True, name=self.words.name[:80], at=self.now
        )
        self.by_hand = ItemFactory(title=self.words.title, creators=self.words.name, isbn="9780306406157")
        self.imported = ItemFactory(
            title=self.words.title,
            creators=self.words.name,
            isbn="9780306406157",
            source="marc",
            source_key="by-hand",
            year="1998",
        )
        for kind in ("book", "audiobook"):
            ItemFactory(title=f"Garden {self.words.title}"[:400], kind=kind, source="marc", source_key=kind)
        self.matched = ItemFactory(title=self.words.title, creators=self.words.name)
        match(self.matched, self.imported, by=self.staff, at=self.now)
        self.build_kits()
        # This list belongs to another patron, so the other states of lists don't show it.
        self.others = SavedListFactory(patron=UserFactory(), name=self.words.title[:80])
        self.shared_saved = SavedItemFactory(
            saved_list=self.others, item__title=self.words.title, note=self.words.message[:500]
        )
        add_by_patron(self.others, title=self.words.title, creators=self.words.name, at=self.now)
        self.shared_list, self.empty_list = (
            address_of(make_link(each, with_notes=True, name=self.words.name[:80], at=self.now)).removeprefix(
                settings.BASE_URL
            )
            for each in (self.others, SavedListFactory(patron=self.others.patron, name="Empty"))
        )
        self.long_list = SavedListFactory(patron=self.others.patron, name="Long")
        for number in range(21):
            add_by_patron(
                self.long_list, title=f"{number} {self.words.title}", creators=self.words.name, at=self.now
            )
        self.long_shared = address_of(make_link(self.long_list, with_notes=False, at=self.now)).removeprefix(
            settings.BASE_URL
        )
        self.second_page = (
            f"{self.long_shared}?after={self.long_list.saved_items.get(title__startswith='1 ').public_id}"
        )
        self.shared_answer = self.answered.messages.filter(side="staff").first()
        self.share_answer = (
            f"/desk/conversations/{self.answered.public_id}/answers/{self.shared_answer.public_id}/share/"
        )
        self.own_items = [item.item for item in self.items]
        self.staff_link, *_others = (
            make_staff_link(self.own_items[:count], branch=self.branch, by=self.staff, at=self.now)
            for count in (4, 1)
        )
        end_staff_link(
            make_staff_link(self.own_items, branch=self.branch, by=self.staff, at=self.now),
            by=self.staff,
            at=self.now,
        )
        self.desk_link = f"/desk/links/{self.staff_link.public_id}/"
        self.items_shared = address_of(self.staff_link).removeprefix(settings.BASE_URL)

        self.add = f"/lists/{self.saved.saved_list.public_id}/add/"

    def list_people(self):
        self.people = {
            "patron": self.patron,
            "child": self.child,
            "asked by email": self.asked_by_email,
            "new patron": UserFactory(name="", email=None, joined_at=self.now),
            "leaver": self.leaver,
        }
        self.people["card holder"] = person_with_card(fake.CARDS[1].patron, at=self.now, language="")

    def session(self, **more):
        day = timezone.localdate() - datetime.timedelta(days=more.pop("days_ago", 2))
        return HelpSessionFactory(
            **{
                "branch": self.branch,
                "staff": self.staff,
                "question": self.words.question,
                "summary": self.words.summary,
                "topic": self.topic,
                "happened_on": day,
                "handed_over_at": self.now,
            }
            | more
        )

    def catalog_item(self, **more):
        return ItemFactory(title=self.words.title, creators=self.words.creators, url=self.words.url, **more)

    def translation(self, **more):
        originals = {
            "original_title": self.words.original_title,
            "original_creators": self.words.original_creators,
        }
        return self.catalog_item(original_lang="he", **originals, **more)

    def given(self, help_session, count):
        items = [self.translation(year="2015"), *(self.catalog_item(year="2015") for _ in range(count - 1))]
        for item in items:
            Holding.objects.create(
                item=item,
                branch=self.branch,
                call_number=self.words.call_number,
                location=self.words.location,
            )
        found = recommend_in(help_session, count, reason=self.words.reason)
        for recommendation, item in zip(found, items, strict=True):
            recommendation.item = item
            recommendation.save()
        return found

    def conversation(
        self,
        help_session,
        *,
        about=None,
        status=Conversation.Status.WAITING_FOR_STAFF,
        answered=True,
        earlier=0,
    ):
        found = ConversationFactory(
            help_session=help_session,
            recommendation=about,
            subject=self.words.question[:200],
            status=status,
            promised_at=self.now,
        )
        MessageFactory(conversation=found, body=self.words.message)
        if answered:
            answer = MessageFactory(
                conversation=found, side="staff", author=self.staff, body=self.words.message
            )
            recommend_in_message(
                answer,
                1,
                reason=self.words.reason,
                item=self.translation(),
            )
        return found

    def with_call(self, help_session, **fields):
        found = self.conversation(help_session, answered=False)
        fields = {"by": help_session.patron, "at": timezone.now(), "client_token": uuid.uuid4()} | fields
        return call_backs.ask_in(found, self.caller, **fields)

    def check_in(self, by=None, due_on=None, **fields):
        about = self.session(staff=by or self.staff, patron=self.asked_by_email)
        self.given(about, 2)
        return CheckInFactory(
            help_session=about, due_on=due_on or self.tomorrow, reason=self.words.reason[:120], **fields
        )

    def build_kits(self):
        """Build a kit with items of every kind, the staff member's own kit, and numbers about both."""
        words = self.words
        self.kit_topic = TopicFactory(name=f"{words.topic[:50]} kits")
        texts = {"name": words.title[:80], "description": words.question[:400]}
        items = ItemFactory.create_batch(4, title=words.title, creators=words.name)
        chosen = [ChosenItem(item=item, reason=words.reason) for item in items]
        staff = {"by": self.staff, "at": self.now}
        self.kit = make_kit(
            branch=self.branch, topic=self.kit_topic, language="en", items=chosen, **texts, **staff
        )
        make_kit(branch=None, topic=None, language="es", items=chosen[:1], **texts, **staff)
        change_item(items[1], retired_at=self.now)
        change_item(items[2], kind="event", starts_on=datetime.date(2020, 1, 1))
        GotCount.objects.create(item=items[3], missed=8, visits=10, is_hard_to_get=True)
        KitCount.objects.create(kit=self.kit, helped=8, visits=10)
        self.own_kit = Kit.objects.create(owner=self.staff, changed_at=self.now)
        for position, item in enumerate(items[:2]):
            KitItem.objects.create(kit=self.own_kit, item=item, position=position)
        for item in (items[0], items[3]):
            ItemCount.objects.create(
                item=item,
                topic=self.kit_topic,
                question_type="reference",
                helped=8,
                visits=10,
                lower_bound=0.49,
                latest_on=self.now.date(),
            )
        self.copied = HelpSessionFactory(
            branch=self.branch, staff=self.staff, topic=self.kit_topic, question=words.question
        )
        recommend_in(self.copied, 2, item__title=words.title, reason=words.reason)
