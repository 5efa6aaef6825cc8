import pytest
from django.test import Client

from bench import pages


@pytest.mark.only_long
@pytest.mark.slow
@pytest.mark.one_database
def test_each_benchmark_request_gets_the_expected_status_code(db):
    measured = pages.set_up(2)
    answered = {name: [_ask(page, request) for request in page.requests] for name, page in measured.items()}
    assert answered == {name: [page.status] * len(page.requests) for name, page in measured.items()}


def _ask(page, request):
    browser = Client(enforce_csrf_checks=True, headers={"HX-Request": "true"} if page.htmx else None)
    browser.cookies.load(request.cookies)
    answer = (
        browser.get(request.path) if request.fields is None else browser.post(request.path, request.fields)
    )
    return answer.status_code
