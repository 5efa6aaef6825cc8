"""Test the questions that a desk log leaves open, in the language of the person who has to answer them."""

import pytest
from django.utils import translation

from portal.imports.desk_logs.mapping import Mapping, Question, make_plan
from portal.imports.desk_logs.overview import overview_of
from portal.imports.desk_logs.reading import open_log
from tests.factories import BranchFactory

from .files import as_csv

pytestmark = [pytest.mark.sql, pytest.mark.django_db]
UNKNOWN = [f"Kind {number}" for number in range(12)]
TEN = ", ".join(f"«{value}»" for value in UNKNOWN[:10])


def overview(rows, tmp_path):
    (tmp_path / "log.csv").write_bytes(as_csv(rows))
    with (tmp_path / "log.csv").open("rb") as file:
        return overview_of(open_log(file))


@pytest.mark.parametrize(
    ("rows", "mapping", "question"),
    [
        (
            [["Type", "Minutes"], ["Reference", "5"]],
            Mapping(),
            "Ninguna columna es la fecha. Indique cuál la tiene.",
        ),
        (
            [["Date", "Type"], ["1/6/2024", "Reference"]],
            Mapping(),
            "¿«1/6/2024» empieza por el día o por el mes? El registro no lo indica.",
        ),
        (
            [["Date", "Type"], *(["1/16/2024", value] for value in UNKNOWN)],
            Mapping(),
            f"¿Qué tipo de pregunta corresponde a {TEN} y 2 más en la columna «Type»?",
        ),
        (
            [["Date", "Mode"], ["1/16/2024", "Smoke"]],
            Mapping(),
            "¿Qué modalidad corresponde a «Smoke» en la columna «Mode»?",
        ),
        (
            [["Date", "Location"], ["1/16/2024", "The Moon"]],
            Mapping(),
            "¿Qué sucursal o punto de servicio corresponde a «The Moon» en la columna «Location»?",
        ),
        (
            [["Date", "Type"], ["1/16/2024", "Reference"]],
            Mapping(branch="moon"),
            "No hay ninguna sucursal «moon».",
        ),
        (
            [["Date", "Type"], ["1/16/2024", "Reference"]],
            Mapping(),
            "Algunas filas no indican ninguna sucursal. Elija la sucursal a la que pertenecen.",
        ),
    ],
)
def test_question_about_a_desk_log_is_in_the_language_of_the_person_who_has_to_answer(
    rows, mapping, question, branch, tmp_path
):
    BranchFactory(slug="west")
    with translation.override("es"):
        _plan, questions = make_plan(overview(rows, tmp_path), mapping)
    assert question in [str(each) for each in questions]


def test_error_about_a_column_with_too_many_values_is_in_the_readers_language(branch, tmp_path):
    rows = [["Date", "Kind"], *(["1/16/2024", f"Value {number}"] for number in range(40))]
    found = overview(rows, tmp_path)
    with translation.override("es"), pytest.raises(Question) as raised:
        make_plan(found, Mapping({"topic": ["Kind"]}))
    assert str(raised.value) == (
        "La columna «Kind» tiene más de 30 valores distintos, así que no puede ser una lista de opciones. "
        "Elija otra columna o ninguna."
    )
