"""What the demonstration machine is made of: a small linac, as its PV list would show it.

The points come in one endless order: first one of each kind (RACK and PVA among them), then girder after girder of
magnets, beam position monitors, klystrons and vacuum. A machine of 200 is the beginning of one of 50,000.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import count as count_up

from backend.src.demonstration import records
from backend.src.demonstration.points import Place, Point, Row

AREAS = (
    ("Injector", "IN20"), ("Cu Linac", "LI21"), ("Cu Linac", "LI22"), ("Cu Linac", "LI23"), ("Cu Linac", "LI24"),
    ("Cu Linac", "LI25"), ("Cu Linac", "LI26"), ("Cu Linac", "LI27"), ("Cu Linac", "LI28"), ("Cu Linac", "LI29"),
    ("Cu Linac", "LI30"), ("Beam Switch Yard", "BSYH"), ("Transport", "LTUH"), ("Undulator", "UNDH"), ("Dump", "DMPH"),
)  # fmt: skip
GIRDERS_OF_AN_AREA = 12  # before the numbers start again with a letter
KLYSTRON_MODES = ("Off", "Standby", "Accelerate", "Fault")
VALVE_STATES = ("Closed", "Open")
FEEDBACK_STATES = ("Off", "Compute", "On")
LARGE = 5_000  # from here on everything is scanned half as often


def points(total: int, *, prefix: str = "") -> list[Point]:
    """Points that name `total` process variables together."""
    chosen: list[Point] = []
    left = total
    for point in _endless(prefix, "1 second" if total < LARGE else "2 second"):
        if left <= 0:
            break
        if point.row.addresses() <= left:
            chosen.append(point)
            left -= point.row.addresses()
    return chosen


def catalogue(total: int, *, prefix: str = "") -> list[Row]:
    """The machine's PV list: rows that name `total` process variables together."""
    return [point.row for point in points(total, prefix=prefix)]


def _endless(prefix: str, scan: str) -> Iterator[Point]:
    yield from _specialities(prefix, scan)
    for lap in count_up():
        for number, (region, area) in enumerate(AREAS):
            yield from _girder(_Maker(prefix, region, area, scan), lap, lap * len(AREAS) + number)


class _Maker:
    """Makes the points of one area."""

    def __init__(self, prefix: str, region: str, area: str, scan: str) -> None:
        self.prefix, self.region, self.area, self.scan = prefix, region, area, scan

    def device(self, kind: str, unit: str) -> str:
        return f"{self.prefix}{kind}:{self.area}:{unit}"

    def row(self, subsystem: str, device: str, description: str, *, setpoint: str = "", readback: str = "") -> Row:
        tags = {"Region": self.region, "Area": self.area, "Subsystem": subsystem}
        return Row(setpoint, readback, device, description, tags)

    def pair(
        self,
        subsystem: str,
        device: str,
        what: str,
        names: tuple[str, str],
        value: float,
        low: float,
        high: float,
        unit: str,
    ) -> Point:
        """A setpoint and the readback that follows it."""
        wanted, actual = (f"{device}:{name}" for name in names)
        text = records.setpoint(wanted, value, low, high, unit)
        text += records.readback(actual, wanted, value, low, high, unit, self.scan)
        return Point(self.row(subsystem, device, what, setpoint=wanted, readback=actual), text)

    def measured(
        self, subsystem: str, device: str, what: str, name: str, value: float, noise: float, unit: str, **alarms: object
    ) -> Point:
        """A readback alone."""
        full = f"{device}:{name}"
        text = records.measurement(full, value, noise, unit, self.scan, **alarms)
        return Point(self.row(subsystem, device, what, readback=full), text)


def _girder(make: _Maker, lap: int, serial: int) -> Iterator[Point]:
    """Two magnet cells, a klystron and a piece of vacuum: 22 process variables."""
    letter = "" if lap < GIRDERS_OF_AN_AREA else chr(ord("A") + (lap // GIRDERS_OF_AN_AREA - 1) % 26)
    more = lap // (GIRDERS_OF_AN_AREA * 27)
    first = 201 + lap % GIRDERS_OF_AN_AREA * 50
    for cell in (0, 20):
        yield from _cell(make, f"{first + cell}{letter}{more or ''}", serial * 2 + cell)
    unit = f"{first + 40}{letter}{more or ''}"
    yield from _klystron(make, unit, serial)
    yield from _vacuum(make, unit, serial)


def _cell(make: _Maker, unit: str, serial: int) -> Iterator[Point]:
    wave = math.sin(serial * 0.7)
    quad, x, y = (make.device(kind, unit) for kind in ("QUAD", "XCOR", "YCOR"))
    magnet = ("BCTRL", "BACT")
    yield make.pair("Magnet", quad, "Quadrupole, integrated gradient", magnet, 12 * wave, -20, 20, "kG")
    yield make.pair("Magnet", x, "Horizontal corrector", magnet, 0.002 * wave, -0.006, 0.006, "kG-m")
    yield make.pair("Magnet", y, "Vertical corrector", magnet, -0.001 * wave, -0.006, 0.006, "kG-m")
    monitor = make.device("BPMS", unit)
    yield make.measured("BPM", monitor, "Beam position, horizontal", "X", 0.3 * wave, 0.05, "mm")
    yield make.measured("BPM", monitor, "Beam position, vertical", "Y", -0.2 * wave, 0.05, "mm")


def _klystron(make: _Maker, unit: str, serial: int) -> Iterator[Point]:
    device = make.device("KLYS", unit)
    yield make.pair("RF", device, "Phase", ("PDES", "PHAS"), serial * 7 % 360 - 180, -180, 180, "degS")
    mode = f"{device}:MODE"
    row = make.row("RF", device, "Mode", setpoint=mode)
    yield Point(row, records.choice(mode, KLYSTRON_MODES, 2 if serial % 9 else 1))


def _vacuum(make: _Maker, unit: str, serial: int) -> Iterator[Point]:
    gauge = make.device("VGCC", unit)
    pressure = 1e-9 * (1 + serial % 7)
    limits = {"HIHI": 1e-6, "HIGH": 1e-7, "HHSV": "MAJOR", "HSV": "MINOR"}
    yield make.measured("Vacuum", gauge, "Pressure", "P", pressure, pressure / 10, "Torr", **limits)
    valve = make.device("VVPG", unit)
    wanted, actual = f"{valve}:OPEN_SW", f"{valve}:POSITION"
    text = records.switch(wanted, *VALVE_STATES, 1) + records.choice_readback(actual, wanted, VALVE_STATES, make.scan)
    yield Point(make.row("Vacuum", valve, "Valve", setpoint=wanted, readback=actual), text)


def _specialities(prefix: str, scan: str) -> Iterator[Point]:
    """One of each kind that the girders do not have."""
    yield from _injector(_Maker(prefix, "Injector", "IN20", scan))
    yield from _alarms(_Maker(prefix, "Injector", "IN20", scan))
    yield from _feedback(_Maker(prefix, "Cu Linac", "LI21", scan))
    yield from _pva_only(_Maker(prefix, "Injector", "IN20", scan))
    yield from _rack(_Maker(prefix, "Cu Linac", "LI24", scan))


def _injector(make: _Maker) -> Iterator[Point]:
    gun = make.device("GUN", "1")
    yield make.pair("RF", gun, "Gun phase", ("PDES", "PHAS"), -15, -180, 180, "degS")
    laser = make.device("LASR", "1")
    yield make.pair("Laser", laser, "Pulse energy", ("EDES", "EACT"), 250, 0, 600, "uJ")
    yield _single(make, "Laser", laser, "Shots to skip", f"{laser}:SKIP", records.whole, 3, "shots")
    yield _single(make, "Laser", laser, "Operator's note", f"{laser}:NOTE", records.text, "aligned µ-lens, all fine")
    ramp = [50 * math.sin(math.pi * n / 64) for n in range(64)]
    yield _single(make, "Laser", laser, "Pulse shape", f"{laser}:SHAPE", records.curve, ramp, "uJ")
    stages = ["oscillator", "stretcher", "amplifier", "compressor"]
    yield _single(make, "Laser", laser, "Stages in use", f"{laser}:STAGES", records.texts, stages)
    charge = make.device("TORO", "215")
    yield make.measured("BPM", charge, "Bunch charge", "CHARGE", 250, 4, "pC")
    past = f"{charge}:HISTORY"
    text = records.history(past, f"{charge}:CHARGE", 120, "pC")
    yield Point(make.row("BPM", charge, "Bunch charge, the last two minutes", readback=past), text)


def _single(make: _Maker, subsystem: str, device: str, what: str, name: str, maker: object, *values: object) -> Point:
    assert callable(maker)
    return Point(make.row(subsystem, device, what, setpoint=name), maker(name, *values))


def _alarms(make: _Maker) -> Iterator[Point]:
    limits: dict[str, object] = {"HIHI": 45, "HIGH": 40, "HHSV": "MAJOR", "HSV": "MINOR"}
    water = make.device("WATR", "1")
    swinging = f"{water}:TEMP"
    text = records.swinging(swinging, 38, 9, "degC", **limits)
    yield Point(make.row("Cooling", water, "Water temperature, in and out of alarm", readback=swinging), text)
    hot = make.device("WATR", "2")
    yield make.measured("Cooling", hot, "Water temperature, too hot", "TEMP", 48, 0.5, "degC", **limits)
    never = f"{make.device('WATR', '3')}:FLOW"
    text = records.record("ai", never, EGU="l/min", PREC=1)
    yield Point(make.row("Cooling", make.device("WATR", "3"), "Flow, never measured: INVALID", readback=never), text)


def _feedback(make: _Maker) -> Iterator[Point]:
    loop = make.device("FBCK", "LNG1")
    state = f"{loop}:STATE"
    yield Point(
        make.row("Feedback", loop, "Longitudinal feedback", setpoint=state), records.choice(state, FEEDBACK_STATES, 2)
    )
    yield make.pair("Feedback", loop, "Energy at BC1", ("EDES", "EACT"), 250, 100, 350, "MeV")
    gains = [0.2, 0.15, 0.1, 0.05, 0.0, -0.05]
    yield _single(make, "Feedback", loop, "Gains", f"{loop}:GAINS", records.curve, gains, "")
    yield _single(make, "Feedback", loop, "Why it is off", f"{loop}:REASON", records.text, "")


def camera_name(prefix: str) -> str:
    """The device whose PVs pva_only.py serves."""
    return f"{prefix}CAMR:IN20:186"


def image_name(prefix: str) -> str:
    """The camera's picture, an NTNDArray."""
    return f"{camera_name(prefix)}:IMAGE"


def _pva_only(make: _Maker) -> Iterator[Point]:
    camera = camera_name(make.prefix)
    described: Sequence[tuple[str, str]] = (
        ("EXPOSURE", "Exposure, 64 bits"), ("MODE", "Trigger mode"), ("ENABLED", "Acquisition"), ("LABELS", "Overlay"),
    )  # fmt: skip
    for name, what in described:
        yield Point(make.row("Camera", camera, what, setpoint=f"pva://{camera}:{name}"), "", Place.PVA)
    for name, what in (("FRAMES", "Frames since the start, 64 bits"), ("PROFILE", "Horizontal profile")):
        yield Point(make.row("Camera", camera, what, readback=f"pva://{camera}:{name}"), "", Place.PVA)


def _rack(make: _Maker) -> Iterator[Point]:
    """A crate with a loose contact."""
    for number in (1, 2, 3):
        supply = make.device("HVPS", f"{number}")
        point = make.pair("Diagnostics", supply, "High voltage, comes and goes", ("VDES", "VACT"), 900, 0, 1500, "V")
        yield Point(point.row, point.records, Place.RACK)
    over_pva = make.device("HVPS", "4")
    name = f"{over_pva}:VDES"
    row = make.row("Diagnostics", over_pva, "High voltage over PVAccess, comes and goes", setpoint=f"pva://{name}")
    yield Point(row, records.setpoint(name, 700, 0, 1500, "V"), Place.RACK)
