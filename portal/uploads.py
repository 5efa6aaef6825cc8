"""Receive the uploaded files of a form one by one.

A file that can't be accepted is left out. The text fields of the form still arrive.
"""

import logging

from django.core.files.uploadhandler import FileUploadHandler, SkipFile, TemporaryFileUploadHandler

MAX_FILE_BYTES = 10 * 1024 * 1024
MAX_FILES = 10
# {name of a form field: the maximum size of its file, in bytes}
MAX_BYTES_BY_FIELD = {"desk_log": 40 * 1024 * 1024}

log = logging.getLogger(__name__)


def uploaded(request, field="files"):
    """Return the files of this field as [(name, file, reason)].

    An accepted file has the reason "". For a file that was left out, `file` is None and the reason is
    "too_large", "too_many" or "no_room".
    """
    taken = [(file.name, file, "") for file in request.FILES.getlist(field)]
    left_out = getattr(request, "left_out", [])
    return taken + [(name, None, reason) for in_field, name, reason in left_out if in_field == field]


class UploadLimitHandler(FileUploadHandler):
    """The first upload handler. It leaves out a file that is too large, and every file after MAX_FILES."""

    def __init__(self, request=None):
        super().__init__(request)
        self.files = 0

    def new_file(self, *args, **kwargs):
        super().new_file(*args, **kwargs)
        self.files += 1

    def receive_data_chunk(self, raw_data, start):
        # Skip the file here and not in new_file. If new_file skips a file, Django closes the previous file.
        if self.files > MAX_FILES:
            _leave_out(self, "too_many")
        if start + len(raw_data) > MAX_BYTES_BY_FIELD.get(self.field_name, MAX_FILE_BYTES):
            _leave_out(self, "too_large")
        return raw_data

    def file_complete(self, file_size):
        return None


class DiskUploadHandler(TemporaryFileUploadHandler):
    """The last upload handler. It writes large files to disk, and leaves out a file if the disk is full."""

    def receive_data_chunk(self, raw_data, start):
        try:
            return super().receive_data_chunk(raw_data, start)
        except OSError as error:
            log.error("an upload could not be written to the disk: %s", error)
            _leave_out(self, "no_room")


def _leave_out(handler, reason):
    left_out = getattr(handler.request, "left_out", [])
    handler.request.left_out = [*left_out, (handler.field_name, handler.file_name, reason)]
    raise SkipFile(reason)
