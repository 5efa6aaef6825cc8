"""Security headers, the request log, and the keeping of a refused post."""

import json
import logging


class JsonFormatter(logging.Formatter):
    def format(self, record):
        return json.dumps({"level": record.levelname, "logger": record.name, "message": record.getMessage()})


class RequestLogMiddleware:
    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        return self.get_response(request)


class SecurityHeadersMiddleware(RequestLogMiddleware):
    pass


class KeepRefusedPostMiddleware(RequestLogMiddleware):
    pass
