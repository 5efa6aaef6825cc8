import gc
import os

from django.core.wsgi import get_wsgi_application
from django.urls import get_resolver

from portal.checks import refuse_unsafe_settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")

refuse_unsafe_settings()
application = get_wsgi_application()

# Every view is loaded now, not with the first request. What is loaded stays, so the garbage collector need not walk all of it again
# and again: that was a tenth of what a page costs.
get_resolver().url_patterns  # noqa: B018  asking for them loads them
gc.collect()
gc.freeze()
