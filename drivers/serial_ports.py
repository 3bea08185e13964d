"""Which serial ports this computer has, and which of them is an instrument's by its serial number; nothing is sent.

USB adapters report a serial number; for instruments with USB of their own it is the instrument's. The system makes
lasting names of it (``/dev/serial/by-id``), which stay with the instrument when ports are numbered anew.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path

BY_ID = Path("/dev/serial/by-id")
_FORMS = re.compile(r"(?i:ASRL)(?P<visa>/.+)::(?i:INSTR)|serial://(?P<url>/.+)")


@dataclass(frozen=True)
class SerialPort:
    """One serial port.

    Attributes:
        path: its lasting name if it has one, else its device.
        device: the device, e.g. ``/dev/ttyUSB0``; may be another one after a replug.
        about: what the adapter says of itself, "" for nothing.
        serial_number: the adapter's, "" for none.
    """

    path: str
    device: str
    about: str = ""
    serial_number: str = ""

    def is_of(self, serial_number: str) -> bool:
        """Return whether an instrument's serial number is the adapter's, or stands in the port's lasting name."""
        words = re.split(r"[^A-Za-z0-9]+", Path(self.path).name)
        return bool(serial_number) and serial_number in (self.serial_number, *words)


def serial_path(resource: str) -> str:
    """Return the path of a serial port's resource string, "" if it is none."""
    match = _FORMS.fullmatch(resource)
    return (match["visa"] or match["url"]) if match else ""


def serial_ports(resource: str = "") -> list[SerialPort]:
    """Return the serial ports that have a lasting name or an adapter that tells what it is.

    Args:
        resource: links in the folder of this port count as lasting names too: a lab may have its own.
    """
    from serial.tools.list_ports import comports  # takes a while to load, and mostly nobody asks

    found = {each.device: SerialPort(each.device, each.device, each.description or "", each.serial_number or "")
             for each in comports() if each.serial_number}  # fmt: skip
    own = Path(serial_path(resource)).parent if os.path.islink(serial_path(resource)) else BY_ID
    for link in sorted({*_links(BY_ID), *_links(own)}):
        device = os.path.realpath(link)
        known = found.get(device, SerialPort("", device))
        found[device] = SerialPort(str(link), device, known.about, known.serial_number)
    return sorted(found.values(), key=lambda port: port.path)


def ports_of(serial_number: str, resource: str) -> list[str]:
    """Return the paths of the ports at which an instrument with this serial number should be."""
    return [port.path for port in serial_ports(resource) if serial_number and port.is_of(serial_number)]


def _links(folder: Path) -> list[Path]:
    return [each for each in folder.iterdir() if each.is_symlink()] if folder.is_dir() else []
