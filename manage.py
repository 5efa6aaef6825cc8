#!/usr/bin/env python
import os
import sys

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    from django.conf import settings
    from django.core.management import execute_from_command_line

    from portal.data_folder import FIX, make_data_folder

    # Without this folder, most commands would end with an error of the database.
    if problem := make_data_folder(settings.DATA_DIR):
        sys.exit(f"{problem}\n{FIX}")
    execute_from_command_line(sys.argv)
