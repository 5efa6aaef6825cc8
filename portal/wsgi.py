import gc
import os

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.template.loader import get_template
from django.urls import get_resolver

from portal.checks import refuse_unsafe_settings
from portal.headers import with_plain_content_type

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")

# Let only the web server's own account read the files that the web server writes.
os.umask(0o077)
refuse_unsafe_settings()
application = with_plain_content_type(get_wsgi_application())

# Load every view and template now, for three reasons: the first request isn't slower, the processes share the
# memory, and no process reads a newer version's template during an upgrade. Then exclude the loaded objects
# from garbage collection, because checking them accounted for a tenth of the time of each page.
get_resolver().url_patterns  # noqa: B018  the access loads them
for path in (settings.BASE_DIR / "templates").rglob("*.*"):
    get_template(str(path.relative_to(settings.BASE_DIR / "templates")))
gc.collect()
gc.freeze()
