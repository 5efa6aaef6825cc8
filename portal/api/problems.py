"""The errors of the API, as problem details (RFC 9457)."""

import json
from http import HTTPStatus

from django.http import HttpResponse

CONTENT_TYPE = "application/problem+json"
API = "/api/"
# The largest valid request has about 50,000 bytes: a session with 20 items and texts of the maximum length.
MAX_BODY_BYTES = 128 * 1024
# The texts of errors that Django would show as a web page. Programmers read these texts, so they aren't
# translated.
DETAILS = {
    400: "The request can't be read. Send JSON in UTF-8, as the OpenAPI description says.",
    404: "There is nothing at this address. See /api/v1/openapi.json.",
    405: "This address doesn't support the method of the request. See /api/v1/openapi.json.",
    413: "The body has more than 128 KiB. Nothing was saved.",
    429: "There were too many requests. Wait as long as the header Retry-After says.",
    500: "The portal made a mistake. Its log has more under the X-Request-ID of this response.",
    503: "The portal can't work now. Send the same request again later.",
}


def problem(status, detail, *, errors=None):
    """Return a response with problem details.

    `errors` is [{"field": path, "detail": what is wrong}] for the invalid fields of the request.
    """
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    if errors:
        body["errors"] = errors
    return HttpResponse(json.dumps(body, ensure_ascii=False), status=status, content_type=CONTENT_TYPE)


class ApiMiddleware:
    """Refuse API requests whose body is too large. Turn error pages of the API into problem details."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        if not request.path_info.startswith(API):
            return self.get_response(request)
        length = request.META.get("CONTENT_LENGTH") or "0"
        if length.isdecimal() and (len(length) > 12 or int(length) > MAX_BODY_BYTES):
            return problem(413, DETAILS[413])
        response = self.get_response(request)
        if response.status_code < 400:
            return response
        if response.headers["Content-Type"] == CONTENT_TYPE:
            return response
        replaced = problem(response.status_code, DETAILS.get(response.status_code, ""))
        kept = {"Content-Type", "Content-Length", "Content-Encoding", "Content-Language"}
        for name, value in response.headers.items():
            if name not in kept:
                replaced.headers[name] = value
        return replaced
