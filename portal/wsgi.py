import os

from django.core.wsgi import get_wsgi_application

from portal.checks import refuse_unsafe_settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")

refuse_unsafe_settings()
application = get_wsgi_application()
