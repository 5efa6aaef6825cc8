import gc
import os

from django.core.wsgi import get_wsgi_application
from django.urls import get_resolver

from portal.checks import refuse_unsafe_settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")

# Only the account that runs the web server may read the files that it writes.
os.umask(0o077)
refuse_unsafe_settings()
application = get_wsgi_application()

# Load every view now instead of at the first request. Then exclude the loaded modules from garbage
# collection, because checking them again and again took a tenth of the time of each page.
get_resolver().url_patterns  # noqa: B018  the access loads them
gc.collect()
gc.freeze()
