#!/usr/bin/env python
import os
import sys

if __name__ == "__main__":
    # Only the account that runs a command may read the files that it writes. Static files are public, and the
    # account that collects them is often another one.
    os.umask(0o022 if sys.argv[1:2] == ["collectstatic"] else 0o077)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    from django.core.management import execute_from_command_line

    from portal.management.plain_errors import run_plainly

    run_plainly(execute_from_command_line, sys.argv)
