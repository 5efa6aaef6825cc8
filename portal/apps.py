from django.apps import AppConfig
from django.conf import settings


class PortalConfig(AppConfig):
    name = "portal"

    def ready(self):
        from portal import checks  # noqa: F401 (registers the checks)
        from portal.data_folder import FIX, make_data_folder

        # Without the folder, most commands fail with a database error that doesn't name it.
        if problem := make_data_folder(settings.DATA_DIR):
            raise SystemExit(f"{problem}\n{FIX}")
