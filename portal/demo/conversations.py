"""Create the demo's conversations, with the messages and the actions of patrons and staff."""

import datetime
import uuid
from functools import partial

from django.core.files.base import ContentFile
from django.utils.translation import override

from accounts import audit
from accounts.models import AuditEvent
from portal.conversations import actions as conversations
from portal.conversations import attachments, call_backs, desk_actions, drafts, merging, notes, presence
from portal.conversations.models import Conversation, Draft, Side
from portal.conversations.readers_form import fields_of, message_of
from portal.desk.access_log import patrons_of

from .pictures import FILES
from .story import DemoMessage

SIX_HOURS = datetime.timedelta(hours=6)
# Staff open a conversation this long before they answer it or do something else with it.
READING_TIME = datetime.timedelta(minutes=3)


class Conversations:
    def __init__(self, builder):
        self.builder = builder
        self.by_name = {}

    def plan_about_visit(self, story, visit, help_session, recommendation, since):
        patron = self.builder.people.get(visit.patron)
        about = {"recommendation": recommendation} if recommendation else {"help_session": help_session}

        def ask(**message):
            # Load `help_session` again, because the patron may have added the visit to their account since
            # this step was planned.
            help_session.refresh_from_db()
            return conversations.ask(by=patron, **about, **message)

        _Exchange(self.builder, story, visit.branch, patron, since, ask).plan()

    def plan_question(self, question):
        story, builder = question.conversation, self.builder
        patron = builder.people[question.patron]
        fields = {"branch": builder.branches[question.branch], "topic": builder.topics[question.topic]}

        def ask(**message):
            with override(story.language):
                if question.form:
                    message["body"] = message_of(question.form)
                    fields["readers_form"] = fields_of(question.form, "en")
                return conversations.ask(by=patron, **fields, **message)

        since = builder.now - datetime.timedelta(hours=question.hours_ago)
        _Exchange(builder, story, question.branch, patron, since, ask).plan()


class _Exchange:
    """The steps that turn `story`, a DemoConversation, into a Conversation with messages.

    `ask` sends the first message and returns the Conversation.
    """

    def __init__(self, builder, story, branch, patron, since, ask):
        self.builder, self.story, self.branch = builder, story, branch
        self.patron, self.since, self.ask = patron, since, ask
        self.conversation = None

    def plan(self):
        """Schedule the messages and actions of the DemoConversation."""
        latest = planned = self.since
        for step in sorted([*self.story.messages, *self.story.actions], key=lambda step: step.days):
            is_message = isinstance(step, DemoMessage)
            wished = self._after(step.days)
            # An answer waits until the branch opens. Later steps are delayed too, so that a patron never
            # replies before the answer.
            at = max(wished, latest + min(wished - planned, SIX_HOURS))
            if is_message and step.by:
                at = self.builder.calendar.when_open(self.branch, at)
            latest, planned = at, wished
            token = self._new_token() if is_message else None
            play = partial(self._send, step, token) if is_message else partial(self._act, step)
            self.builder.schedule(at, play)
        if self.story.closed_by:
            self._plan_closing(latest)
        if self.story.read:
            self.builder.schedule(self.builder.now, self._read)

    def _plan_closing(self, latest):
        at = self._after(self.story.closed_days)
        is_at_the_end = self.story.closed_days > self.story.messages[-1].days
        if is_at_the_end:
            at = max(at, latest + datetime.timedelta(minutes=4))
        self.builder.schedule(at, self._close)

    def _after(self, days):
        return self.since + datetime.timedelta(days=days)

    def _new_token(self):
        return uuid.UUID(int=self.builder.random.getrandbits(128), version=4)

    def _current(self):
        """Return the conversation as it is in the database now."""
        return Conversation.objects.get(pk=self.conversation.pk)

    def _send(self, message, token, at):
        by, side = (self.builder.people[message.by], Side.STAFF) if message.by else (self.patron, Side.PATRON)
        fields = {"at": at, "body": message.body, "language": self.story.language, "client_token": token}
        if message.by:
            self._open(by, at)
        if self.conversation is None:
            self.conversation = self.builder.conversations.by_name[self.story.name] = self.ask(**fields)
        else:
            self._reply(message, by, side, fields)
        for name in message.files:
            self._attach(name, by, side, token, at)
        if message.by:
            # A staff member who answers has read all earlier messages.
            presence.refresh(self.conversation, person=by, at=at, read_until=at)

    def _open(self, staff, at):
        """Log that a staff member opened the conversation. Staff do this before they answer or change it."""
        conversation = self._current()
        before = max(conversation.opened_at, at - READING_TIME)
        for person in patrons_of(conversation, conversation.help_session):
            audit.record(
                "opened", conversation, by=staff, patron=person, at=before, where=AuditEvent.Where.QUEUE
            )

    def _reply(self, message, by, side, fields):
        visits = self.builder.visits
        items = visits.chosen_items(message.recommendations)
        reply = conversations.reply(
            self.conversation, by=by, side=side, items=items, then=message.then, **fields
        )
        links = reply.recommendation_links.select_related("recommendation__item")
        recommendations = [link.recommendation for link in links]
        visits.plan_verdicts(message.recommendations, recommendations, self.patron, self.since)

    def _attach(self, name, by, side, token, at):
        draw, alt = FILES[name]
        upload = (name, ContentFile(draw()), "")
        added, _refused = attachments.add_each(
            self._current(), uploads=[upload], by=by, side=side, client_token=token, at=at, is_sent=True
        )
        for attachment in added:
            attachment.alt = alt
            attachment.save(update_fields=["alt"])

    def _close(self, at):
        side = self.story.closed_by
        by = self.patron
        if side == Side.STAFF:
            by = self.builder.people[next(m.by for m in reversed(self.story.messages) if m.by)]
            self._open(by, at)
        conversations.close(self.conversation, by=by, side=side, at=at)

    def _read(self, at):
        conversations.mark_read(self._current(), person=self.patron, at=at)

    def _act(self, action, at):
        conversation, builder = self._current(), self.builder
        by = builder.people[action.by] if action.by else self.patron
        token = self._new_token()
        was = conversation.assignee
        if action.by:
            self._open(by, at)
        match action.action:
            case "take":
                desk_actions.take(conversation, by=by, at=at)
            case "assign":
                desk_actions.assign(conversation, to=builder.people[action.to], by=by, at=at, was=was)
            case "transfer":
                desk_actions.transfer(conversation, branch=builder.branches[action.to], by=by, at=at, was=was)
            case "snooze":
                until = builder.calendar.today + datetime.timedelta(days=action.until)
                desk_actions.snooze(conversation, until=until, by=by, at=at)
            case "merge":
                into = builder.conversations.by_name[action.to]
                self.conversation = merging.merge(conversation, into=into, by=by, at=at)
            case "erase":
                desk_actions.erase(conversation, by=by, at=at)
            case "note":
                notes.write_note(conversation, by=by, at=at, body=action.text, client_token=token)
            case "call":
                caller = call_backs.Caller(action.text, action.to)
                call_backs.ask_in(conversation, caller, by=by, at=at, client_token=token)
            case "cancel_call":
                call_backs.cancel(conversation, by=by, at=at)
            case "called":
                call_backs.record_outcome(conversation, action.text, by=by, at=at)
            case "draft":
                drafts.save_draft(
                    conversation,
                    sequence=1,
                    body=action.text,
                    language=self.story.language,
                    at=at,
                    person=by,
                    side=Side.STAFF if action.by else Side.PATRON,
                    kind=Draft.Kind.REPLY,
                    client_token=token,
                )
            case "read" if action.by:
                presence.refresh(conversation, person=by, at=at, read_until=at)
            case "read":
                conversations.mark_read(conversation, person=self.patron, at=at)
            case _:
                raise ValueError(action.action)
