"""Every status code there is, by the name that its registry gives it.

The registered ones are those of the standard library's table, under the names of RFC 9110 (which the table has from
Python 3.13 on); a test compares. The others are no standard's: nginx and Cloudflare answer or log with them when they
stand before a server. Larder answers with none of those. The WebSocket close codes are in web/access.py.
"""

from __future__ import annotations

from enum import IntEnum


class HttpCodes(IntEnum):
    """A status code; the name of each is its phrase."""

    CONTINUE = 100
    SWITCHING_PROTOCOLS = 101
    PROCESSING = 102
    EARLY_HINTS = 103

    OK = 200
    CREATED = 201
    ACCEPTED = 202
    NON_AUTHORITATIVE_INFORMATION = 203
    NO_CONTENT = 204
    RESET_CONTENT = 205
    PARTIAL_CONTENT = 206
    MULTI_STATUS = 207
    ALREADY_REPORTED = 208
    IM_USED = 226

    MULTIPLE_CHOICES = 300
    MOVED_PERMANENTLY = 301
    FOUND = 302
    SEE_OTHER = 303
    NOT_MODIFIED = 304
    USE_PROXY = 305
    TEMPORARY_REDIRECT = 307
    PERMANENT_REDIRECT = 308

    BAD_REQUEST = 400
    UNAUTHORIZED = 401
    PAYMENT_REQUIRED = 402
    FORBIDDEN = 403
    NOT_FOUND = 404
    METHOD_NOT_ALLOWED = 405
    NOT_ACCEPTABLE = 406
    PROXY_AUTHENTICATION_REQUIRED = 407
    REQUEST_TIMEOUT = 408
    CONFLICT = 409
    GONE = 410
    LENGTH_REQUIRED = 411
    PRECONDITION_FAILED = 412
    CONTENT_TOO_LARGE = 413
    URI_TOO_LONG = 414
    UNSUPPORTED_MEDIA_TYPE = 415
    RANGE_NOT_SATISFIABLE = 416
    EXPECTATION_FAILED = 417
    IM_A_TEAPOT = 418
    MISDIRECTED_REQUEST = 421
    UNPROCESSABLE_CONTENT = 422
    LOCKED = 423
    FAILED_DEPENDENCY = 424
    TOO_EARLY = 425
    UPGRADE_REQUIRED = 426
    PRECONDITION_REQUIRED = 428
    TOO_MANY_REQUESTS = 429
    REQUEST_HEADER_FIELDS_TOO_LARGE = 431
    UNAVAILABLE_FOR_LEGAL_REASONS = 451

    INTERNAL_SERVER_ERROR = 500
    NOT_IMPLEMENTED = 501
    BAD_GATEWAY = 502
    SERVICE_UNAVAILABLE = 503
    GATEWAY_TIMEOUT = 504
    HTTP_VERSION_NOT_SUPPORTED = 505
    VARIANT_ALSO_NEGOTIATES = 506
    INSUFFICIENT_STORAGE = 507
    LOOP_DETECTED = 508
    NOT_EXTENDED = 510
    NETWORK_AUTHENTICATION_REQUIRED = 511

    # nginx
    NO_RESPONSE = 444
    REQUEST_HEADER_TOO_LARGE = 494
    CLIENT_CERTIFICATE_INVALID = 495
    CLIENT_CERTIFICATE_MISSING = 496
    HTTP_SENT_TO_HTTPS_PORT = 497
    CLIENT_CLOSED_REQUEST = 499

    # Cloudflare
    UNKNOWN_ERROR_OF_ORIGIN = 520
    ORIGIN_DOWN = 521
    ORIGIN_CONNECTION_TIMED_OUT = 522
    ORIGIN_UNREACHABLE = 523
    ORIGIN_TIMED_OUT = 524
    ORIGIN_TLS_HANDSHAKE_FAILED = 525
    ORIGIN_CERTIFICATE_INVALID = 526
    ORIGIN_UNRESOLVED = 530

    @property
    def registered(self) -> bool:
        """Whether IANA knows it; the others only mean something to those who made them up."""
        return self not in UNOFFICIAL

    @property
    def allows_content(self) -> bool:
        """Whether an answer with it may have any (RFC 9110: 1xx, 204, 205 and 304 end with their headers)."""
        return self >= HttpCodes.OK and self not in _ENDS_WITH_HEADERS

    @property
    def phrase(self) -> str:
        """For people: Not found."""
        return _PHRASES.get(self) or self.name.replace("_", " ").capitalize()


UNOFFICIAL = frozenset(
    code for code in HttpCodes if code == HttpCodes.NO_RESPONSE or 494 <= code <= 499 or 520 <= code <= 530
)
_ENDS_WITH_HEADERS = frozenset({HttpCodes.NO_CONTENT, HttpCodes.RESET_CONTENT, HttpCodes.NOT_MODIFIED})
_PHRASES = {
    HttpCodes.OK: "OK",
    HttpCodes.IM_USED: "IM used",
    HttpCodes.URI_TOO_LONG: "URI too long",
    HttpCodes.IM_A_TEAPOT: "I'm a teapot",
    HttpCodes.HTTP_VERSION_NOT_SUPPORTED: "HTTP version not supported",
}
