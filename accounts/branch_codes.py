"""The codes that the library's own system (ILS) has for our branches.

Sign-ins by library card and imports of the catalog use these codes to find a branch. The name and the slug of
a branch also work as codes, without a BranchCode.
"""

from collections import Counter

from django.db import IntegrityError, transaction

from . import audit
from .models import Branch, BranchCode
from .staff_actions import staff_action

# An import stores at most this many unknown codes, the most frequent ones. If a file has more unknown codes,
# its field for the branch probably contains something else, such as notes.
MAX_UNKNOWN = 200
# An import counts at most this many different codes, because it keeps them in memory.
MAX_COUNTED = 10_000


class CodeTaken(Exception):
    """The code already belongs to another branch, `branch`."""

    def __init__(self, branch):
        self.branch = branch
        super().__init__(str(branch))


class BranchFinder:
    """Find branches by code, name or slug, without a query for each code.

    `unknown` is {unknown code: number of holdings with this code}.
    """

    def __init__(self):
        branches = list(Branch.objects.order_by("pk"))
        codes = BranchCode.objects.filter(branch__isnull=False).values_list("code", "branch_id")
        self._branches = {_key(name): branch.pk for branch in branches for name in (branch.slug, branch.name)}
        self._branches |= {_key(code): branch for code, branch in codes}
        self.has_codes = bool(codes)
        self.unknown: Counter[str] = Counter()

    def find(self, code):
        """Return the primary key of the branch that has this code, name or slug, or None."""
        return self._branches.get(_key(code))

    def count_unknown(self, code):
        if code in self.unknown or len(self.unknown) < MAX_COUNTED:
            self.unknown[code] += 1


def branch_called(code):
    """Return the primary key of the branch with this code, name or slug, or None."""
    return BranchFinder().find(code) if code else None


def _key(code):
    return " ".join(code.casefold().split())


@transaction.atomic
def record_unknown(unknown, *, at):
    """Store the unknown codes that an import has found, so that coordinators can assign them.

    `unknown` is {code: number of holdings}. `at` is the time when the import began. If an import calls this
    function several times, the numbers are added up.
    """
    numbers: Counter[str] = Counter()
    for code, number in unknown.items():
        numbers[code.lower()] += number
    stored = {code.lower(): met_at for code, met_at in BranchCode.objects.values_list("code", "met_at")}
    # Earlier calls for the same import may have stored new codes already. These count toward the maximum.
    room = MAX_UNKNOWN - sum(met_at == at for met_at in stored.values())
    new = [code for code, _number in unknown.most_common() if code.lower() not in stored][: max(room, 0)]
    BranchCode.objects.bulk_create([BranchCode(code=code) for code in sorted(new)], ignore_conflicts=True)
    rows = BranchCode.objects.select_for_update().filter(branch=None).order_by("pk")
    for row in rows:
        if number := numbers[row.code.lower()]:
            row.met = number + (row.met if row.met_at == at else 0)
            row.met_at = at
            row.save(update_fields=["met", "met_at"])


@staff_action
def add_code(code, *, branch, by, at):
    """Store that the ILS uses this code for the branch, and return the BranchCode. Raises CodeTaken.

    If an import has already stored the code as unknown, the code's row gets this branch.
    """
    row = _locked(code)
    if row is None:
        try:
            with transaction.atomic():
                row = BranchCode.objects.create(code=code, branch=branch)
        except IntegrityError:
            # A colleague or an import has just added the code.
            row = _locked(code)
            if row is None:
                raise
    if row.branch_id not in (None, branch.pk):
        raise CodeTaken(row.branch)
    row.branch = branch
    row.save(update_fields=["branch"])
    audit.record("added_branch_code", row, by=by, at=at)
    return row


@staff_action
def remove_code(row, *, by, at):
    """Delete the code. If the file of a later import has the code, the import stores the code as unknown."""
    audit.record("removed_branch_code", row, by=by, at=at)
    BranchCode.objects.filter(pk=row.pk).delete()


def _locked(code):
    return BranchCode.objects.select_for_update(of=["self"]).filter(code__iexact=code).first()
