import shutil
from pathlib import Path

import pytest
from django.core.files.storage import storages

from recommendations.covers.stored import FOLDER
from tests.cover_source import CoverSource


@pytest.fixture
def source(settings):
    with CoverSource() as source:
        settings.COVER_URL = source.address("/b/{isbn}.jpg")
        yield source


@pytest.fixture(autouse=True)
def no_stored_covers():
    """Delete the stored covers after the test, because all tests have the same folder of private files."""
    yield
    shutil.rmtree(Path(storages["private"].location) / FOLDER, ignore_errors=True)
