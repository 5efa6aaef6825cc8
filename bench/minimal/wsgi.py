"""The minimal site as a WSGI application, as startproject writes it."""

from django.core.wsgi import get_wsgi_application

application = get_wsgi_application()
