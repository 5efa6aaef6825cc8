"""Check template partials. Django 6.0 has partials, and the package template_partials adds them to 5.2."""

import django
import pytest
from django.apps import apps
from django.template import TemplateDoesNotExist
from django.test import RequestFactory

from portal.htmx import render_page

PAGE = (
    "before {% partialdef rows inline %}{% for row in rows %}<b>{{ row }}</b>{% endfor %}{% endpartialdef %}"
    " between {% partial rows %}"
)


@pytest.fixture
def render(settings, tmp_path):
    """Return render(htmx=, partial=, status=), which renders a page and returns its text and its status."""
    (tmp_path / "page.html").write_text(PAGE)
    [engine] = settings.TEMPLATES
    options = {**engine["OPTIONS"], "context_processors": []}
    settings.TEMPLATES = [{**engine, "DIRS": [tmp_path], "OPTIONS": options}]

    def render(*, htmx, partial, status=200):
        request = RequestFactory().get("/")
        request.htmx = htmx
        response = render_page(request, "page.html", {"rows": ["<a>"]}, partial=partial, status=status)
        return response.content.decode(), response.status_code

    return render


ROW = "<b>&lt;a&gt;</b>"


def test_htmx_response_contains_only_the_named_partial(render):
    assert render(htmx=True, partial="rows") == (ROW, 200)


def test_browser_without_htmx_gets_the_whole_page(render):
    assert render(htmx=False, partial="rows", status=422) == (f"before {ROW} between {ROW}", 422)


def test_htmx_response_with_an_invalid_form_has_status_200(render):
    assert render(htmx=True, partial="rows", status=422) == (ROW, 200)


def test_unknown_partial_raises_an_error(render):
    with pytest.raises(TemplateDoesNotExist):
        render(htmx=True, partial="missing")


def test_template_partials_package_is_installed_only_before_django_6():
    assert apps.is_installed("template_partials") == (django.VERSION < (6, 0))
