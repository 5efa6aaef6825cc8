"""What staff do in the generated year: record, tally, correct and delete contacts."""

import uuid
from contextlib import suppress

from portal.checkins import recording
from portal.helpsessions import actions, tallies
from portal.helpsessions.models import HelpSession
from portal.privacy.corrected_fields import COLUMNS
from portal.privacy.correcting import correct
from portal.privacy.deleting import MustStay, delete_session
from portal.privacy.models import Correction
from portal.privacy.wrong_patron import remove_wrong_patron
from recommendations.models import QuestionType

from .times import DAY, FIRST, ZONE

MODES = ["in_person"] * 6 + ["phone", "phone", "chat", "email", "video"]
LANGUAGES = ["en"] * 5 + ["es", "es", "vi"]


class Desk:
    """A mixin of Year with the steps that staff take."""

    def contact(self):
        """Return a random contact, as (arguments for `record`, columns for the ledger)."""
        branch = self.pick(self.all_branches)
        hour = self.random.randint(9, 16)
        day = max(FIRST, self.today - self.pick([0, 0, 0, 0, 1, 12]) * DAY)
        return self._as_recorded(
            branch=branch,
            happened_on=day,
            hour=hour,
            mode=self.pick(MODES),
            question_type=self.pick(["reference"] * 5 + list(QuestionType.values)),
            topic=self.pick(self.topics),
            read_level=self.pick([None, 1, 2, 3, 6]),
            minutes=self.pick([None, None, 5, 10, 45]),
            people=self.pick([1, 1, 4]),
            questions=self.pick([1, 1, 2, 5]),
            language=self.pick(LANGUAGES),
            patron_group=self.pick([None, None, *self.groups]),
            own_values={
                str(field): self.pick(values) for field, values in self.values.items() if self.pick([0, 1])
            },
            service_point=self.pick([None, *self.points[branch.pk]]),
        )

    def _as_recorded(self, **fields):
        columns = {
            "day": fields["happened_on"],
            "branch": fields["branch"].pk,
            "point": _pk(fields["service_point"]),
            "topic": _pk(fields["topic"]),
            "patron_group": _pk(fields["patron_group"]),
            "own": {int(field): value for field, value in fields["own_values"].items()},
            **{
                name: fields[name]
                for name in (
                    *("hour", "mode", "question_type", "read_level", "minutes", "questions", "language"),
                )
            },
        }
        words = {"question": "Why?", "summary": "So.", "note": "", "items": [], "quiet": False}
        return words | fields, columns

    def record(self):
        fields, columns = self.contact()
        by = self.pick(self.staff)
        way = self.pick(["alone", "code", "code", "keep", "keep", "quiet", "child", "paper", "system"])
        if way == "quiet":
            fields["quiet"], columns["quiet"] = True, 1
        if way in ("child", "paper"):
            fields["with_child"], columns["child"] = {"child": "own"}.get(way, way), 1
        given = {"by": by, "at": self.at, **fields}
        if way == "system":
            del given["by"], given["quiet"], given["note"]
            visit = actions.record_from_system(**given)
        elif way in ("alone", "quiet"):
            visit = recording.record(**given)
        elif way in ("code", "paper"):
            visit, _code = recording.record_and_hand_over(**given)
        else:
            person = self.pick(self.children if way == "child" else self.patrons)
            wording = {"wording": "May we?", "wording_language": "en"}
            visit, _code = recording.record_and_keep(person=person, **given, **wording)
            columns = self._with_group_of_card(columns, person)
        columns["handed"] = int(way in ("code", "paper", "keep", "child"))
        self.ledger.add(visit.pk, **columns, staff=None if way == "system" else by.pk)
        self.visits.append(visit.pk)

    def _with_group_of_card(self, columns, person):
        """Return the columns, with the group of the patron's library card if staff have chosen no group."""
        if columns["patron_group"] or columns.get("child"):
            return columns
        # A patron has several cards only after records were merged. In this year, nobody signs in with a card
        # again, so the newest card is the one that was seen last.
        cards = self._cards_of(person.pk)
        group = self.group_of[cards[-1]] if cards else None
        self.happened["group of a card"] += group is not None
        return columns | {"patron_group": group}

    def tally(self):
        """Count one contact with a key, or several with a tick sheet. Sometimes undo this."""
        by, kind = self.pick(self.staff), self.pick(self.kinds)
        point, at = kind.service_point, self.at
        columns = {"branch": point.branch_id, "point": point.pk, "mode": "in_person", "staff": by.pk}
        columns |= {"question_type": "directional", "is_tally": 1}
        local = at.astimezone(ZONE)
        if self.pick([True, False]):
            row = tallies.tally(by=by, at=at, branch=point.branch, service_point=point, kind=kind)
            if self.random.random() < 0.1:
                tallies.undo_tally(row, by=by, at=at)
            else:
                self.ledger.add(row.pk, day=local.date(), hour=local.hour, kind=kind.pk, **columns)
            return
        kinds = [each for each in self.kinds if each.service_point_id == point.pk]
        numbers = {each: self.random.randint(1, 4) for each in kinds}
        day, hour = max(FIRST, local.date() - self.pick([0, 1]) * DAY), self.random.randint(9, 16)
        token = uuid.uuid4()
        for _time in range(self.pick([1, 1, 2])):
            tallies.tally_several(
                by=by,
                at=at,
                service_point=point,
                happened_on=day,
                hour=hour,
                numbers=numbers,
                token=token,
            )
        if self.random.random() < 0.2:
            tallies.undo_several(by=by, at=at, token=token)
            return
        first = HelpSession.objects.get(public_id=token).pk
        kinds = [kind for kind, number in numbers.items() for _count in range(number)]
        for place, kind in enumerate(kinds):
            self.ledger.add(first + place, day=day, hour=hour, kind=kind.pk, **columns)

    def some_visit(self, **wanted):
        """Return a recorded visit that isn't forgotten, or None."""
        self.random.shuffle(self.visits)
        for pk in self.visits[:5]:
            visit = HelpSession.objects.filter(pk=pk, **wanted).first()
            if visit and visit.forgotten_on is None and visit.status == "recorded":
                return visit
        return None

    def correct(self):
        visit = self.some_visit()
        if visit is None:
            return
        columns = {name: getattr(visit, name) for name in COLUMNS}
        fields, ledger = self.contact()
        names = ["mode", "question_type", "topic", "read_level", "minutes", "questions", "language"]
        names += ["patron_group", "own_values"]
        changed = {name: fields[name] for name in self.random.sample(names, self.random.randint(1, 4))}
        in_ledger = {"own_values": "own"}
        noted = {in_ledger.get(name, name): ledger[in_ledger.get(name, name)] for name in changed}
        if self.pick([True, False]):
            # A visit that moves to another branch loses its service point, unless staff choose another one.
            # A visit can't have happened after it was recorded.
            recorded_on = visit.created_at.astimezone(ZONE).date()
            day = max(FIRST, recorded_on - self.pick([0, 0, 1, 12, 40]) * DAY)
            moved = {"branch": fields["branch"], "happened_on": day, "hour": fields["hour"]}
            points = [visit.service_point, *self.points[fields["branch"].pk]]
            moved["service_point"] = point = self.pick(points)
            keeps = point is not None and point.branch_id == fields["branch"].pk
            noted |= {"branch": ledger["branch"], "day": day, "hour": ledger["hour"]}
            noted["point"] = point.pk if keeps else None
            changed |= moved
        if not visit.with_child and self.random.random() < 0.15:
            changed["quiet"] = not visit.quiet
            noted["quiet"] = int(not visit.quiet)
            group = changed.get("patron_group", visit.patron_group)
            if not visit.quiet and visit.is_group_from_card and group == visit.patron_group:
                # A visit that becomes quiet loses all data about its patron, even the group from their card.
                noted["patron_group"] = None
        version = Correction.objects.filter(help_session=visit).count()
        given = {"by": self.pick(self.staff), "at": self.at, "version": version, "items": [], "note": ""}
        correct(visit, **given, **columns | changed)
        self.happened["correct"] += 1
        self.ledger.change(visit.pk, **noted)

    def delete(self):
        if visit := self.some_visit(patron=None):
            with suppress(MustStay):
                delete_session(visit, by=self.pick(self.staff), at=self.at)
                self.ledger.remove(visit.pk)
                self.happened["delete"] += 1

    def undo_record(self):
        by = self.pick(self.staff)
        fields, _columns = self.contact()
        visit = recording.record(by=by, at=self.at, **fields)
        assert actions.undo_record(visit, by=by, at=self.at)

    def remove_patron(self):
        """Remove a wrong patron. The new visit counts, but without the group from the wrong patron's card."""
        visit = self.some_visit(patron__isnull=False, with_child="")
        if visit is None:
            return
        from_card = visit.is_group_from_card
        new, _code = remove_wrong_patron(visit, visit.patron, by=self.pick(self.staff), at=self.at)
        # The check-ins of the old visit aren't counted anymore. In the ledger, only the contact gets the id
        # of the new visit. The check-ins keep the old id, so they belong to no contact.
        self.ledger.renumber(visit.pk, new.pk)
        self.ledger.change(new.pk, handed=1, **({"patron_group": None} if from_card else {}))
        self.visits.append(new.pk)


def _pk(row):
    return row and row.pk
