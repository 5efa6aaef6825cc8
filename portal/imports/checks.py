"""Check the setting IMPORT_HOLDINGS, so that a mistake is found before the next import."""

from django.conf import settings
from django.core import checks

from portal.imports.readers.marc_holdings import read_layout


@checks.register
def layout_is_right(app_configs=None, **kwargs):
    try:
        read_layout(settings.IMPORT_HOLDINGS)
    except ValueError as error:
        return [
            checks.Error(
                f"IMPORT_HOLDINGS can't be read. {error}",
                hint='Write the tag and the subfields, as in "949 branch=m location=l call_number=a".',
                id="afterword.E037",
            )
        ]
    return []
