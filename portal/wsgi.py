import gc
import os

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.template.loader import get_template
from django.urls import get_resolver

from portal.checks import refuse_unsafe_settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")

# Only the account that runs the web server may read the files that it writes.
os.umask(0o077)
refuse_unsafe_settings()
application = get_wsgi_application()

# Load every view and template now. So the first request is not slower, the processes share the memory, and no
# process reads a template of a newer version during an upgrade. Then exclude what is loaded from garbage
# collection, because checking it again and again took a tenth of the time of each page.
get_resolver().url_patterns  # noqa: B018  the access loads them
for path in (settings.BASE_DIR / "templates").rglob("*.*"):
    get_template(str(path.relative_to(settings.BASE_DIR / "templates")))
gc.collect()
gc.freeze()
