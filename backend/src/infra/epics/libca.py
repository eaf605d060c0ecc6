"""The part of libca that Larder calls, as ctypes prototypes (cadef.h, caerr.h of EPICS 7).

The functions belong to library objects of our own: aioca gives the same symbols other prototypes on its own.
A call that may wait lets the GIL go, so that libca's receive threads can run our callbacks meanwhile. One that
only looks something up keeps it: giving it up 40,000 times beside a busy thread costs seconds.
"""

from __future__ import annotations

import ctypes
from ctypes import c_char_p, c_int, c_long, c_short, c_size_t, c_uint, c_ulong, c_void_p
from typing import Any

from epicscorelibs import path

library = ctypes.CDLL(path.get_lib("ca"), ctypes.RTLD_GLOBAL)
_quick_library = ctypes.PyDLL(path.get_lib("ca"))

ECA_NORMAL = 1
ECA_DISCONN = 192
ECA_NORDACCESS = 368
ECA_NOWTACCESS = 376

CA_OP_CONN_UP = 6
DBE_VALUE = 1
DBE_ALARM = 4
PREEMPTIVE = 1


class EventArguments(ctypes.Structure):
    """struct event_handler_args; `usr` is a number of ours, `dbr` an address, 0 when status is not normal."""

    _fields_ = [
        ("usr", c_size_t),
        ("chid", c_size_t),
        ("type", c_long),
        ("count", c_long),
        ("dbr", c_size_t),
        ("status", c_int),
    ]


class ConnectionArguments(ctypes.Structure):
    """struct connection_handler_args."""

    _fields_ = [("chid", c_size_t), ("op", c_long)]


class ExceptionArguments(ctypes.Structure):
    """struct exception_handler_args."""

    _fields_ = [
        ("usr", c_size_t),
        ("chid", c_size_t),
        ("type", c_long),
        ("count", c_long),
        ("address", c_size_t),
        ("status", c_long),
        ("op", c_long),
        ("context", c_char_p),
        ("file", c_char_p),
        ("line", c_uint),
    ]


EventHandler = ctypes.CFUNCTYPE(None, EventArguments)
ConnectionHandler = ctypes.CFUNCTYPE(None, ConnectionArguments)
ExceptionHandler = ctypes.CFUNCTYPE(None, ExceptionArguments)
PrintHandler = ctypes.CFUNCTYPE(c_int, c_char_p, c_void_p)


def _function(name: str, result: Any, *arguments: Any, of: ctypes.CDLL = library) -> Any:
    function = of[name]
    function.restype = result
    function.argtypes = arguments
    return function


def _quick(name: str, result: Any, *arguments: Any) -> Any:
    return _function(name, result, *arguments, of=_quick_library)


context_create = _function("ca_context_create", c_int, c_int)
context_destroy = _function("ca_context_destroy", None)
add_exception_event = _function("ca_add_exception_event", c_int, ExceptionHandler, c_void_p)
replace_printf_handler = _function("ca_replace_printf_handler", c_int, PrintHandler)
repeater_thread = _function("caRepeaterThread", None, c_void_p)
configure_address_list = _function("configureChannelAccessAddressList", None, c_void_p, c_int, ctypes.c_ushort)
flush_io = _function("ca_flush_io", c_int)

create_channel = _quick(
    "ca_create_channel", c_int, c_char_p, ConnectionHandler, c_void_p, c_uint, ctypes.POINTER(c_size_t)
)
clear_channel = _function("ca_clear_channel", c_int, c_size_t)
field_type = _quick("ca_field_type", c_short, c_size_t)
element_count = _quick("ca_element_count", c_ulong, c_size_t)
read_access = _quick("ca_read_access", c_uint, c_size_t)
write_access = _quick("ca_write_access", c_uint, c_size_t)

array_get_callback = _function("ca_array_get_callback", c_int, c_long, c_ulong, c_size_t, EventHandler, c_size_t)
array_put = _function("ca_array_put", c_int, c_long, c_ulong, c_size_t, c_void_p)
array_put_callback = _function(
    "ca_array_put_callback", c_int, c_long, c_ulong, c_size_t, c_void_p, EventHandler, c_size_t
)
create_subscription = _function(
    "ca_create_subscription",
    c_int, c_long, c_ulong, c_size_t, c_long, EventHandler, c_size_t, ctypes.POINTER(c_size_t),
)  # fmt: skip
clear_subscription = _function("ca_clear_subscription", c_int, c_size_t)

sg_create = _function("ca_sg_create", c_int, ctypes.POINTER(c_uint))
sg_delete = _function("ca_sg_delete", c_int, c_uint)
sg_array_get = _function("ca_sg_array_get", c_int, c_uint, c_long, c_ulong, c_size_t, c_size_t)

_message = _function("ca_message", c_char_p, c_long)
_version = _function("ca_version", c_char_p)

# bytes at an address, without the Python function that ctypes.string_at is
bytes_at = ctypes.PYFUNCTYPE(ctypes.py_object, c_size_t, ctypes.c_ssize_t)(
    ("PyBytes_FromStringAndSize", ctypes.pythonapi)
)
keep_thread_state = ctypes.PYFUNCTYPE(c_int)(("PyGILState_Ensure", ctypes.pythonapi))


def message(status: int) -> str:
    """What an ECA code means, in libca's words."""
    text: bytes = _message(status)
    return text.decode()


def version() -> str:
    """The version of libca, e.g. "CA 4.13"."""
    text: bytes = _version()
    return text.decode()
