from django.apps import AppConfig


class ImportsConfig(AppConfig):
    name = "portal.imports"

    def ready(self):
        from portal.imports import checks  # noqa: F401 (registers the check)
