"""The forms of resource strings. Says whether one is well formed, not whether anybody is there or a driver takes it."""

import re
import string

from ..testbed.errors import BellringerError

_HOST = r"(?:[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?|\[[0-9A-Fa-f:]+\])"
_FORMS = {
    "serial:///dev/ttyUSB0": r"serial://(?:/.+|COM\d+)",
    "socket://192.0.2.10:5000": rf"socket://{_HOST}:(?P<port>\d+)",
    "zmq://192.0.2.10:5555": rf"zmq://{_HOST}:(?P<port>\d+)",
    "http://192.0.2.10:8080": rf"https?://{_HOST}(?::(?P<port>\d+))?(?:/\S*)?",
    "sdk://module": r"sdk://[A-Za-z_][\w.]*",
    "ASRL/dev/ttyUSB0::INSTR": r"(?i:ASRL)(?:(?!::).)+::(?i:INSTR)",
    "TCPIP::192.0.2.10::5025::SOCKET": rf"(?i:TCPIP)\d*::{_HOST}::(?P<port>\d+)::(?i:SOCKET)",
    "TCPIP::192.0.2.10::INSTR": rf"(?i:TCPIP)\d*::{_HOST}(?:::[\w,]+)?::(?i:INSTR)",
    "USB0::0x1313::0x8078::P0000000::INSTR": r"(?i:USB)\d*(?:::[^:\s]+){3,4}::(?i:INSTR)",
    "GPIB0::15::INSTR": r"(?i:GPIB)\d*(?:::\d+){1,2}::(?i:INSTR)",
}


def check_resource(resource: str) -> None:
    """Return if ``resource`` has one of the known forms.

    Raises:
        BellringerError: it has none; the hint shows the form that begins alike, or all of them.
    """
    for form in _FORMS.values():
        match = re.fullmatch(form, resource)
        if match is None:
            continue
        port = match.groupdict().get("port")
        if port is None or 1 <= int(port) <= 65535:
            return
        raise BellringerError(f"'{resource}' has port {port}", hint="a TCP port lies between 1 and 65535")
    alike = [example for example in _FORMS if _scheme(resource) and _scheme(example) == _scheme(resource)]
    raise BellringerError(f"'{resource}' is no resource string", hint="write it like " + " or ".join(alike or _FORMS))


def _scheme(resource: str) -> str:
    return resource[: len(resource) - len(resource.lstrip(string.ascii_letters))].lower()
