"""The response with which the pages of figures send a table as a file."""

from django.http import HttpResponse
from django.utils.http import content_disposition_header

from portal.text import csv_file


def csv_response(name, headings, rows):
    """Return a response that downloads the table as a CSV file with this name. No cache may store it."""
    response = HttpResponse(csv_file(headings, rows), content_type="text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = content_disposition_header(True, name)
    response.headers["Cache-Control"] = "private, no-store"
    return response
