import pytest
from django.test import Client

from bench import catalog, pages, verdicts
from portal.kits.models import ItemCount
from recommendations.models import Recommendation, SearchEntry, SearchWord
from recommendations.search import candidates
from recommendations.search.finding import find_items


@pytest.mark.only_long
@pytest.mark.slow
@pytest.mark.one_database
def test_each_benchmark_request_gets_the_expected_page(db):
    measured = pages.set_up(2)
    answers = {name: [_ask(page, request) for request in page.requests] for name, page in measured.items()}
    statuses = {name: [answer.status_code for answer in answers[name]] for name in answers}
    assert statuses == {name: [page.status] * len(page.requests) for name, page in measured.items()}
    signed_out = {
        name
        for name in answers
        if any(b'href="/sign-in/' in answer.content for answer in answers[name]) and name != "sign-in"
    }
    assert signed_out == set()
    [home] = answers["home with check-in"]
    assert b"How did it turn out?" in home.content


def _ask(page, request):
    browser = Client(enforce_csrf_checks=True, headers={"HX-Request": "true"} if page.htmx else None)
    browser.cookies.load(request.cookies)
    return browser.get(request.path) if request.fields is None else browser.post(request.path, request.fields)


@pytest.mark.only_long
@pytest.mark.slow
@pytest.mark.sql
@pytest.mark.django_db(transaction=True)  # the build runs VACUUM, which PostgreSQL refuses in a transaction
def test_interrupted_build_of_the_large_catalog_continues(monkeypatch):
    for name, number in (("ITEMS", 60), ("INVENTED", 30), ("AT_ONCE", 10), ("WORDS", 50)):
        monkeypatch.setattr(catalog, name, number)
    for name, number in (("VERDICTS", 400), ("INVENTED", 200), ("AT_ONCE", 100), ("PATRONS", 100)):
        monkeypatch.setattr(verdicts, name, number)
    monkeypatch.setattr(verdicts, "ITEMS_OF_TOPIC", 1)
    for module in (catalog, verdicts):
        with monkeypatch.context() as patch:
            patch.setattr(module, "_add", _stops_at_the_second_call(module._add))
            with pytest.raises(KeyboardInterrupt):
                module.build()
        module.build()
    with_the = SearchEntry.objects.filter(title__regex=r"(^| )the( |$)").count()
    assert SearchEntry.objects.count() == 60
    assert SearchWord.objects.get(word="the").titles == with_the > 6
    assert Recommendation.objects.count() == 400
    assert ItemCount.objects.exists()
    monkeypatch.setattr(candidates, "LARGE", 0)
    assert find_items("the")


def _stops_at_the_second_call(add):
    calls = []

    def stopping(*args):
        calls.append(args)
        if len(calls) == 2:
            raise KeyboardInterrupt
        add(*args)

    return stopping
