from django.apps import AppConfig
from django.conf import settings
from django.db.models.signals import post_migrate


class PortalConfig(AppConfig):
    name = "portal"

    def ready(self):
        from portal import checks  # noqa: F401 (registers the checks)
        from portal.data_folder import FIX, close_open_paths, make_data_folder

        # Without the data folder, most commands fail with a database error that doesn't name the folder.
        if problem := make_data_folder(settings.DATA_DIR):
            raise SystemExit(f"{problem}\n{FIX}")
        post_migrate.connect(close_open_paths, sender=self)
