"""Test that an import puts each copy at its branch, by the codes of the library's own system."""

import io

import pytest
from django.core.management import CommandError, call_command

from accounts.models import BranchCode
from portal.imports.readers.marc import read_binary
from portal.imports.readers.marc_holdings import KOHA, read_layout
from portal.imports.readers.table import read_table
from portal.imports.records import Held
from recommendations.models import Holding, Item
from tests.factories import BranchFactory
from tests.portal.imports.test_readers import binary, marc

TITLE = "245", "0", ("a", "Rivers")
MAIN = "952", " ", ("a", "MAIN"), ("c", "Fiction"), ("o", "FIC RIV"), ("p", "39001"), ("7", "0")


def held(*fields):
    [found] = binary(marc(TITLE, *fields))
    return found.holdings, found.says_where


def koha(branch, number="FIC RIV", **subfields):
    return "952", " ", ("a", branch), ("o", number), ("9", "1"), *subfields.items()


def standard(*subfields):
    return "852", " ", *subfields


@pytest.fixture
def branches(library):
    """Return {code: branch} for two branches with codes."""
    found = {"MAIN": BranchFactory(name="Central", slug="central"), "EAST": BranchFactory(name="Eastside")}
    for code, branch in found.items():
        BranchCode.objects.create(code=code, branch=branch)
    return found


def placed():
    columns = ("branch__name", "call_number", "location", "not_for_loan")
    return sorted(Holding.objects.values_list(*columns))


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ([MAIN], [Held("MAIN", "FIC RIV", "Fiction")]),
        ([koha("MAIN", **{"7": "1"})], [Held("MAIN", "FIC RIV", "", True)]),
        ([koha("MAIN", **{"7": "-1"})], [Held("MAIN", "FIC RIV", "", True)]),
        ([koha("MAIN", **{"1": "4"})], [Held("MAIN", "FIC RIV", "", True)]),
        # One of two copies can be borrowed.
        ([koha("MAIN", **{"7": "1"}), koha("MAIN")], [Held("MAIN", "FIC RIV")]),
        # The only copy is withdrawn, so the item has no holding. The import must not take this for a record
        # without information about copies.
        ([koha("MAIN", **{"0": "1"})], []),
        ([koha("MAIN", number="")], [Held("MAIN", "")]),
        # Another system uses field 952 for a local note, and not for copies.
        ([("952", " ", ("a", "gift of the author"))], []),
        (
            [standard(("b", "main"), ("c", "ref"), ("h", "551"), ("i", "R"))],
            [Held("main", "551 R", "ref", True)],
        ),
        ([standard(("a", "XxUni"), ("h", "551"))], [Held("XxUni", "551")]),
        (
            [standard(("b", "main"), ("h", "551"), ("z", "Does not circulate"))],
            [Held("main", "551", "", True)],
        ),
        ([standard(("b", "main"), ("h", "551"), ("z", "Gift"))], [Held("main", "551")]),
        (
            [standard(("b", "main"), ("h", "551")), ("876", " ", ("h", "Library use only"))],
            [Held("main", "551", "", True)],
        ),
        (
            [
                standard(("8", "1"), ("b", "main"), ("h", "551")),
                standard(("8", "2"), ("b", "east"), ("h", "551")),
                ("876", " ", ("8", "2.1"), ("h", "Not for loan")),
            ],
            [Held("main", "551"), Held("east", "551", "", True)],
        ),
        # If the copy has no call number, its holding has the call number of the record.
        ([("082", " ", ("a", "551.48")), standard(("b", "main"))], [Held("main", "551.48")]),
    ],
)
def test_copies_are_read_from_a_marc_record(fields, expected):
    found, says_where = held(*fields)
    assert list(found) == expected
    assert says_where == (not any("gift" in str(field) for field in fields))


def test_record_without_copies_has_only_its_call_number():
    assert held(("082", " ", ("a", "551.48"))) == ((Held("", "551.48"),), False)


@pytest.mark.parametrize(
    "layout", ["949 branch=m location=l call_number=a", "  949  call_number=a branch=m location=l"]
)
def test_marc_field_and_subfields_of_copies_can_be_configured(layout):
    record = marc(TITLE, ("949", " ", ("a", "551 R"), ("m", "EAST"), ("l", "CIRC"), ("w", "LC")), MAIN)
    [found] = read_binary(io.BytesIO(record.as_marc()), layout=read_layout(layout))
    assert found.holdings == (Held("EAST", "551 R", "CIRC"),)


def test_layout_of_copies_has_default_subfields_for_the_parts_that_it_does_not_name():
    assert read_layout("952 branch=b") == read_layout("952 branch=b location=c call_number=o")
    assert read_layout("952") == KOHA
    assert read_layout("") is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("85", "is not the tag of a field"),
        ("008 branch=a", "is not the tag of a field"),
        ("949", "Name the subfield with the code of the branch"),
        ("949 branch=", "Name the subfield with the code of the branch"),
        ("949 library=m", "There is no part 'library'"),
        ("949 branch=$m", "should name subfields by their codes"),
    ],
)
def test_error_about_a_wrong_layout_of_copies_says_what_is_wrong(text, words):
    with pytest.raises(ValueError, match=words.replace("$", r"\$")):
        read_layout(text)


@pytest.mark.django_db
def test_import_command_and_system_check_refuse_a_wrong_layout_of_copies(marc_file, settings):
    with pytest.raises(CommandError, match="--holdings '949' is wrong. Name the subfield"):
        call_command("import_items", str(marc_file(marc(TITLE))), "--holdings", "949")
    settings.IMPORT_HOLDINGS = "949"
    with pytest.raises(CommandError, match="The setting IMPORT_HOLDINGS is wrong. Name the subfield"):
        call_command("import_items", str(marc_file(marc(TITLE))))
    with pytest.raises(Exception, match="E037"):
        call_command("check")


@pytest.mark.django_db
def test_import_puts_each_copy_at_its_branch_and_a_second_import_moves_the_copy(run, marc_file, branches):
    elsewhere = BranchFactory(name="Old branch")
    first = marc(TITLE, MAIN, koha("EAST", c="Reference"), koha("NORTH"), koha("NORTH"), number="1")
    status, said, faults = run(marc_file(first, marc(TITLE, koha("east", "R"), number="2")))
    assert (status, faults) == (0, "")
    assert said.splitlines() == [
        "2 added, 0 changed, 0 unchanged.",
        "Unknown branch codes, with the number of holdings: NORTH (1). Assign them at the desk under Settings, "
        "Branch codes, and import the file again.",
    ]
    assert placed() == [
        ("Central", "FIC RIV", "Fiction", False),
        ("Eastside", "FIC RIV", "Reference", True),
        ("Eastside", "R", "", False),
    ]
    item = Item.objects.get(source_key=":1")
    Holding.objects.create(item=item, branch=elsewhere, call_number="GONE")
    moved = marc(TITLE, koha("EAST", c="Reference", **{"7": "0"}), number="1")
    assert run(marc_file(moved))[1] == "0 added, 1 changed, 0 unchanged.\n"
    assert placed() == [("Eastside", "FIC RIV", "Reference", True), ("Eastside", "R", "", False)]
    assert run(marc_file(moved))[1] == "0 added, 0 changed, 1 unchanged.\n"


@pytest.mark.django_db
def test_holding_changes_when_its_last_copy_can_no_longer_be_borrowed(run, marc_file, branches):
    run(marc_file(marc(TITLE, koha("MAIN"), koha("MAIN", **{"7": "1"}))))
    before = Holding.objects.get()
    assert not before.not_for_loan
    assert run(marc_file(marc(TITLE, koha("MAIN", **{"7": "1"}))))[1] == "0 added, 1 changed, 0 unchanged.\n"
    after = Holding.objects.get()
    assert (after.pk, after.not_for_loan) == (before.pk, True)


@pytest.mark.django_db
def test_unknown_code_is_stored_once_with_its_count_and_creates_no_branch(run, marc_file, branches):
    records = [marc(TITLE, koha("NORTH"), koha("MAIN"), number=str(number)) for number in range(3)]
    file = marc_file(*records)
    run(file, "--dry-run")
    assert not BranchCode.objects.filter(branch=None).exists()
    run(file)
    run(file)
    assert list(BranchCode.objects.filter(branch=None).values_list("code", "met")) == [("NORTH", 3)]
    assert sorted({branch for branch, *_others in placed()}) == ["Central"]
    BranchCode.objects.filter(code="NORTH").update(branch=branches["EAST"])
    assert run(file)[1] == "0 added, 3 changed, 0 unchanged.\n"
    assert sorted({branch for branch, *_others in placed()}) == ["Central", "Eastside"]


@pytest.mark.django_db
def test_import_of_a_file_of_one_branch_needs_no_branch_codes(run, marc_file):
    east, other = BranchFactory(slug="east"), BranchFactory()
    file = marc_file(marc(TITLE, standard(("b", "stacks"), ("h", "551"))))
    run(file, "--branch", "east")
    Holding.objects.create(item=Item.objects.get(), branch=other, call_number="912")
    assert run(file, "--branch", "east")[1].startswith("0 added, 0 changed, 1 unchanged.\n")
    assert sorted(Holding.objects.values_list("branch", "call_number")) == sorted(
        [(east.pk, "551"), (other.pk, "912")]
    )


@pytest.mark.django_db
def test_holdings_stay_if_no_code_is_assigned_and_no_branch_is_given(run, marc_file):
    BranchFactory(slug="east")
    file = marc_file(marc(TITLE, standard(("b", "stacks"), ("h", "551"))))
    run(file, "--branch", "east")
    before = placed()
    assert len(before) == 1
    assert run(file)[1].startswith("0 added, 0 changed, 1 unchanged.\n")
    assert placed() == before


@pytest.mark.django_db
def test_copy_with_an_unknown_code_is_left_out_if_other_codes_are_assigned(
    run,
    marc_file,
    branches,
):
    records = [
        marc(TITLE, koha("NORTH", "N"), number="1"),
        marc(TITLE, koha("EAST", "E"), number="2"),
        marc(TITLE, ("082", " ", ("a", "551")), number="3"),
    ]
    run(marc_file(*records), "--branch", "central")
    assert placed() == [("Central", "551", "", False), ("Eastside", "E", "", False)]


@pytest.mark.django_db
def test_item_without_copies_loses_its_holdings_only_if_an_option_names_the_copy_field(
    run, marc_file, branches
):
    run(marc_file(marc(TITLE, koha("MAIN", "551"))))
    assert run(marc_file(marc(TITLE)))[1] == "0 added, 0 changed, 1 unchanged.\n"
    assert len(placed()) == 1
    assert run(marc_file(marc(TITLE)), "--holdings", "952")[1] == "0 added, 1 changed, 0 unchanged.\n"
    assert placed() == []


@pytest.mark.django_db
def test_csv_rows_about_copies_of_the_same_title_become_one_item(run, tmp_path, branches):
    file = tmp_path / "copies.csv"
    file.write_text(
        "biblionumber,title,homebranch,location,itemcallnumber,notforloan\n"
        "1,Rivers,MAIN,Fiction,FIC RIV,0\n"
        "1,Rivers,EAST,Fiction,FIC RIV,1\n"
        "2,Lakes,EAST,Ref,551,0\n"
        "2,Lakes,,,551,0\n"
    )
    status, said, faults = run(file)
    assert said == "2 added, 0 changed, 0 unchanged.\n"
    assert (status, faults.splitlines()[1:]) == (1, ["  record 4: it has the same identifier as record 3"])
    assert placed() == [
        ("Central", "FIC RIV", "Fiction", False),
        ("Eastside", "551", "Ref", True),
        ("Eastside", "FIC RIV", "Fiction", True),
    ]


def test_call_number_from_a_csv_file_belongs_to_no_branch(tmp_path):
    file = tmp_path / "items.csv"
    file.write_text("title,call number\nRivers,551\n")
    with file.open("rb") as opened:
        [found] = read_table(opened, mapping={})
    assert (found.holdings, found.says_where) == ((Held("", "551"),), False)


@pytest.mark.django_db
def test_importing_a_file_again_adds_a_missing_form_and_changes_no_other_item(run, marc_file):
    file = marc_file(marc(TITLE, number="1"), marc(TITLE, number="2"))
    run(file)
    Item.objects.filter(source_key=":2").update(form="")
    assert run(file)[1] == "0 added, 1 changed, 1 unchanged.\n"
    assert run(file)[1] == "0 added, 0 changed, 2 unchanged.\n"
