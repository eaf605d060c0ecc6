"""EPICS records of the demonstration machine.

All motion happens in the records themselves: a readback goes half the way to its setpoint each time it is scanned,
then trembles around it in one scan out of ten. Serving 50,000 of them leaves the processor to others.
"""

from __future__ import annotations

from collections.abc import Sequence

# how a readback moves: A its setpoint, B the step that counts as arrived, C its noise
_FOLLOW = "ABS(A-VAL)>B?VAL+(A-VAL)*.5:(RNDM>.9?A+C*(RNDM-.5):VAL)"
# how a measurement without a setpoint moves: A where it rests, C its noise
_TREMBLE = "RNDM>.9?A+C*(RNDM-.5):VAL"
_NOISE = 0.002  # of the range
_STATES = (
    ("ZRST", "ZRVL"), ("ONST", "ONVL"), ("TWST", "TWVL"), ("THST", "THVL"), ("FRST", "FRVL"), ("FVST", "FVVL"),
)  # fmt: skip


def record(kind: str, name: str, **fields: object) -> str:
    """The text of one record."""
    body = "".join(f' field({field},"{value}")' for field, value in fields.items())
    return f'record({kind},"{name}"){{{body}}}\n'


def setpoint(name: str, value: float, low: float, high: float, unit: str) -> str:
    """An analogue setpoint, kept within its limits."""
    return record(
        "ao", name, VAL=f"{value:.6g}", PINI="YES", EGU=unit, PREC=4,
        DRVL=low, DRVH=high, LOPR=low, HOPR=high,
    )  # fmt: skip


def readback(name: str, of: str, value: float, low: float, high: float, unit: str, scan: str) -> str:
    """What follows a setpoint; out of range by a fifth is a MINOR alarm, by half a MAJOR one."""
    width = high - low
    return record(
        "calc", name, CALC=_FOLLOW, VAL=f"{value:.6g}", INPA=of, INPB=width * _NOISE * 2, INPC=width * _NOISE,
        SCAN=scan, EGU=unit, PREC=4, HIHI=high + width / 2, HIGH=high + width / 5, LOW=low - width / 5,
        LOLO=low - width / 2, HHSV="MAJOR", HSV="MINOR", LSV="MINOR", LLSV="MAJOR",
    )  # fmt: skip


def measurement(name: str, value: float, noise: float, unit: str, scan: str, **alarms: object) -> str:
    """A quantity that trembles around `value`."""
    return record(
        "calc", name, CALC=_TREMBLE, VAL=value, INPA=value, INPC=noise, SCAN=scan, EGU=unit, PREC=4, **alarms
    )  # fmt: skip


def swinging(name: str, middle: float, swing: float, unit: str, **alarms: object) -> str:
    """A quantity that swings once in a minute or so, in and out of its alarm limits."""
    return record(
        "calc", name, CALC="A:=A+.1;B+C*SIN(A)", VAL=middle, INPB=middle, INPC=swing, SCAN="1 second",
        EGU=unit, PREC=2, **alarms,
    )  # fmt: skip


def choice(name: str, labels: Sequence[str], value: int) -> str:
    """An enum that may be set."""
    return record("mbbo", name, VAL=value, PINI="YES", **_states(labels))


def choice_readback(name: str, of: str, labels: Sequence[str], scan: str) -> str:
    """An enum that follows another at its next scan."""
    return record("mbbi", name, INP=of, SCAN=scan, PINI="YES", **_states(labels))


def switch(name: str, off: str, on: str, value: int) -> str:
    """A two-state setpoint."""
    return record("bo", name, VAL=value, PINI="YES", ZNAM=off, ONAM=on)


def whole(name: str, value: int, unit: str) -> str:
    """A setpoint in whole numbers of 32 bits."""
    return record("longout", name, VAL=value, PINI="YES", EGU=unit)


def text(name: str, value: str) -> str:
    """A string of at most 39 bytes that may be set."""
    return record("stringout", name, VAL=value, PINI="YES")


def curve(name: str, values: Sequence[float], unit: str) -> str:
    """A numeric waveform that may be set; it takes twice as many elements as it has at first."""
    elements = ",".join(f"{value:.4g}" for value in values)
    return record(
        "waveform", name, FTVL="DOUBLE", NELM=2 * len(values), INP=f"[{elements}]", PINI="YES", EGU=unit, PREC=3
    )


def history(name: str, of: str, length: int, unit: str) -> str:
    """A numeric waveform that moves: the last values of another record."""
    return record(
        "compress", name, ALG="Circular Buffer", NSAM=length, INP=of, SCAN="1 second", EGU=unit, PREC=3
    )  # fmt: skip


def texts(name: str, values: Sequence[str]) -> str:
    """A waveform of strings."""
    elements = ",".join(f'\\"{value}\\"' for value in values)
    return record("waveform", name, FTVL="STRING", NELM=2 * len(values), INP=f"[{elements}]", PINI="YES")


def _states(labels: Sequence[str]) -> dict[str, object]:
    fields: dict[str, object] = {}
    for number, (label, (text_field, value_field)) in enumerate(zip(labels, _STATES, strict=False)):
        fields[text_field] = label
        fields[value_field] = number
    return fields
