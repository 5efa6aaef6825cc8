from django.apps import AppConfig
from django.conf import settings
from django.db.backends.signals import connection_created
from django.db.models.signals import post_migrate

# The number of prepared statements that psycopg keeps for each connection to PostgreSQL. The default of 100
# is too few: when people open many different pages, psycopg would prepare the same statements again and
# again.
STATEMENTS_KEPT = 200


class PortalConfig(AppConfig):
    name = "portal"

    def ready(self):
        from portal import checks  # noqa: F401 (registers the checks)
        from portal.data_folder import FIX, close_open_paths, make_data_folder, make_private_folder

        # Without the data folder, most commands fail with a database error that doesn't name the folder.
        if problem := make_data_folder(settings.DATA_DIR):
            raise SystemExit(f"{problem}\n{FIX}")
        post_migrate.connect(make_private_folder, sender=self)
        post_migrate.connect(close_open_paths, sender=self)
        connection_created.connect(_keep_statements)


def _keep_statements(connection, **_kwargs):
    if connection.vendor == "postgresql":
        connection.connection.prepared_max = STATEMENTS_KEPT
