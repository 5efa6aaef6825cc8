"""Takes in the files of a form one by one: a file that is too large, or for which there is no room, never costs the words beside it."""

import logging

from django.core.files.uploadhandler import FileUploadHandler, SkipFile, TemporaryFileUploadHandler

MOST_BYTES = 10 * 1024 * 1024  # of one file
MOST_FILES = 10  # of one form

log = logging.getLogger(__name__)


def uploaded(request, field="files"):
    """[(name, file, "")] of what came in this field, and (name, None, why) of what could not be taken in: "too_large", "too_many", "no_room"."""
    taken = [(file.name, file, "") for file in request.FILES.getlist(field)]
    return taken + [(name, None, why) for of, name, why in getattr(request, "left_out", []) if of == field]


class FewFiles(FileUploadHandler):
    """The first handler: drops what is over the limits while it comes in."""

    def __init__(self, request=None):
        super().__init__(request)
        self.files = 0

    def new_file(self, *args, **kwargs):
        super().new_file(*args, **kwargs)
        self.files += 1

    def receive_data_chunk(self, raw_data, start):
        # Not in new_file: of a file that is refused there, Django closes the one before.
        if self.files > MOST_FILES:
            _leave_out(self, "too_many")
        if start + len(raw_data) > MOST_BYTES:
            _leave_out(self, "too_large")
        return raw_data

    def file_complete(self, file_size):
        return None


class OnDisk(TemporaryFileUploadHandler):
    """The last handler: takes what is too much for the memory. A full disk costs the file alone."""

    def receive_data_chunk(self, raw_data, start):
        try:
            return super().receive_data_chunk(raw_data, start)
        except OSError as error:
            log.error("an upload could not be written to the disk: %s", error)
            _leave_out(self, "no_room")


def _leave_out(handler, why):
    left_out = getattr(handler.request, "left_out", [])
    handler.request.left_out = [*left_out, (handler.field_name, handler.file_name, why)]
    raise SkipFile(why)
