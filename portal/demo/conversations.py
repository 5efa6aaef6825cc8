"""The conversations of the demo: what was said in them, and what was done with them."""

import datetime
import uuid

from django.core.files.base import ContentFile
from django.utils.translation import override

from portal.conversations import actions as conversations
from portal.conversations import attachments, desk_actions, drafts, merging, notes, presence
from portal.conversations.models import Conversation, Draft, Side
from portal.conversations.readers_form import fields_of, message_of

from .pictures import FILES
from .story import Said

QUARTER_OF_A_DAY = datetime.timedelta(hours=6)


class Conversations:
    def __init__(self, builder):
        self.builder = builder
        self.named = {}

    def plan_about_visit(self, conversation, visit, help_session, recommendation, since):
        patron = self.builder.people.get(visit.patron)

        def begin(**words):
            help_session.refresh_from_db()  # somebody may have kept it since
            about = {"recommendation": recommendation} if recommendation else {"help_session": help_session}
            return conversations.ask(by=patron, **about, **words)

        self._plan(conversation, visit.branch, patron, since, begin)

    def plan_asked(self, asked):
        patron, language = self.builder.people[asked.patron], asked.conversation.language
        new = {"branch": self.builder.branches[asked.branch], "topic": self.builder.topics[asked.topic]}

        def begin(**words):
            with override(language):
                if asked.form:
                    words["body"], new["readers_form"] = message_of(asked.form), fields_of(asked.form, "en")
                return conversations.ask(by=patron, **new, **words)

        self._plan(
            asked.conversation,
            asked.branch,
            patron,
            self.builder.now - datetime.timedelta(hours=asked.hours_ago),
            begin,
        )

    def _plan(self, conversation, branch, patron, since, begin):
        """Each of its steps, one after the other. `begin` makes the first message the conversation."""
        builder, told = self.builder, {}
        earliest, planned = since, since
        for step in sorted([*conversation.said, *conversation.did], key=lambda step: step.days):
            wished = since + datetime.timedelta(days=step.days)
            # An answer that waited for the desk to open moves what follows it, so that nobody phones back before they were asked to.
            at = max(wished, earliest + min(wished - planned, QUARTER_OF_A_DAY))
            said = isinstance(step, Said)
            planned, at = wished, builder.calendar.when_open(branch, at) if said and step.by else at
            earliest = at
            if said:
                token = uuid.UUID(int=builder.random.getrandbits(128), version=4)
                builder.then(
                    at,
                    lambda at, said=step, token=token: self._say(
                        said, token, conversation, told, patron, begin, since, at
                    ),
                )
            else:
                builder.then(at, lambda at, did=step: self._do(did, conversation, told, patron, at))
        if conversation.closed_by:
            side = conversation.closed_by
            by = (
                patron
                if side == Side.PATRON
                else builder.people[next(said.by for said in reversed(conversation.said) if said.by)]
            )
            after_all = conversation.closed_days > conversation.said[-1].days
            closed = max(
                since + datetime.timedelta(days=conversation.closed_days),
                earliest + datetime.timedelta(minutes=4) if after_all else since,
            )
            builder.then(
                closed, lambda at: conversations.close(told["conversation"], by=by, side=side, at=at)
            )
        if conversation.read:
            builder.then(builder.now, lambda at: conversations.mark_read(_now(told), person=patron, at=at))

    def _say(self, said, token, conversation, told, patron, begin, since, at):
        words = {"at": at, "body": said.body, "language": conversation.language, "client_token": token}
        by, side = (self.builder.people[said.by], Side.STAFF) if said.by else (patron, Side.PATRON)
        if told:
            more = {"items": self.builder.chosen(said.gave), "then": said.then}
            message = conversations.reply(told["conversation"], by=by, side=side, **more, **words)
            given = [
                link.recommendation
                for link in message.recommendation_links.select_related("recommendation__item")
            ]
            self.builder.plan_verdicts(said.gave, given, patron, since)
        else:
            told["conversation"] = self.named[conversation.name] = begin(**words)
        for name in said.files:
            content, alt = FILES[name]
            upload = (name, ContentFile(content()), "")
            added, _refused = attachments.add_each(
                _now(told), uploads=[upload], by=by, side=side, client_token=token, at=at, is_sent=True
            )
            for attachment in added:
                attachment.alt = alt
                attachment.save(update_fields=["alt"])
        if said.by:  # whoever answers has read
            presence.come(told["conversation"], person=by, at=at, read_until=at)

    def _do(self, did, exchange, told, patron, at):
        conversation, builder = _now(told), self.builder
        by = builder.people[did.by] if did.by else patron
        token = uuid.UUID(int=builder.random.getrandbits(128), version=4)
        match did.what:
            case "take":
                desk_actions.take(conversation, by=by, at=at)
            case "assign":
                desk_actions.assign(
                    conversation, to=builder.people[did.to], by=by, at=at, was=conversation.assignee
                )
            case "hand_over":
                desk_actions.transfer(
                    conversation, branch=builder.branches[did.to], by=by, at=at, was=conversation.assignee
                )
            case "snooze":
                desk_actions.snooze(
                    conversation,
                    until=builder.calendar.today + datetime.timedelta(days=did.until),
                    by=by,
                    at=at,
                )
            case "join":
                told["conversation"] = merging.merge(conversation, into=self.named[did.to], by=by, at=at)
            case "erase":
                desk_actions.erase(conversation, by=by, at=at)
            case "note":
                notes.write_note(conversation, by=by, at=at, body=did.words, client_token=token)
            case "draft":
                composer = {
                    "person": by,
                    "side": Side.STAFF if did.by else Side.PATRON,
                    "kind": Draft.Kind.REPLY,
                    "client_token": token,
                }
                drafts.save_draft(
                    conversation, sequence=1, body=did.words, language=exchange.language, at=at, **composer
                )
            case "read" if did.by:
                presence.come(conversation, person=by, at=at, read_until=at)
            case "read":
                conversations.mark_read(conversation, person=patron, at=at)
            case _:
                raise ValueError(did.what)


def _now(told):
    return Conversation.objects.get(pk=told["conversation"].pk)
