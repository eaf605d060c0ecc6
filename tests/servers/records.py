"""The records of the test IOCs.

`types_database` makes, each under the prefix:

    DOUBLE FLOAT LONG SHORT CHAR UCHAR USHORT ULONG INT64 UINT64   scalars; those below LONG are fields, see FIELDS
    ENUM BOOL STRING STRING:EMPTY STRING:UTF8 STRING:LATIN1        ENUM has four states, STRING:UTF8 39 bytes
    LSO LSI                                                        long strings of up to 300 characters: read NAME.VAL$
    WF:<FTVL> WF:<FTVL>:ONE WF:<FTVL>:EMPTY WF:<FTVL>:MANY         for every FTVL, of 3, 1, 0 and 1000 elements;
                                                                   QSRV has no arrays of enums: those by CA alone
    TEXT                                                           a char waveform that holds a long string
    META                                                           every limit, unit "mA", precision 3, an alarm
    ALARM                                                          writable, LOLO -10, LOW -5, HIGH 5, HIHI 10
    INVALID                                                        never processed: UDF, INVALID
    READONLY HIDDEN DISABLED                                       no write access; neither; puts refused (DISP)
    CLAMPED STUBBORN                                               kept in -1..1 (DRVL, DRVH); returns to 0 after a put
    SLOW NEVER                                                     a put completes after 0.5 s; after an hour
    COUNTER                                                        counts up ten times a second
    READBACK                                                       follows DOUBLE at once, one higher
    BIG                                                            room for 200,000 doubles (1.6 MB), empty
"""

from __future__ import annotations

from collections.abc import Iterator

FTVLS = (
    "CHAR",
    "UCHAR",
    "SHORT",
    "USHORT",
    "LONG",
    "ULONG",
    "INT64",
    "UINT64",
    "FLOAT",
    "DOUBLE",
    "ENUM",
    "STRING",
)
MANY = 1000
BIG = 200_000
ENUM_LABELS = ("Off", "Standby", "On", "Fault")
UTF8_TEXT = "Strom ≤ 1.5 µA, Größe 0…39 Ω ok"
LONG_TEXT = "a long string, " * 15 + "its end"

# the scalar types that no record has as VAL, as fields of one aSub record
FIELDS = {
    "FLOAT": "SUB.A", "SHORT": "SUB.B", "CHAR": "SUB.C", "UCHAR": "SUB.D",
    "USHORT": "SUB.E", "ULONG": "SUB.F", "UINT64": "SUB.G",
}  # fmt: skip

ACCESS_SECURITY = """\
ASG(DEFAULT) { RULE(1, READ) RULE(1, WRITE) }
ASG(READONLY) { RULE(1, READ) }
ASG(HIDDEN)
"""

_SCANS = {
    10: ".1 second",
    5: ".2 second",
    2: ".5 second",
    1: "1 second",
    0.5: "2 second",
    0.2: "5 second",
    0.1: "10 second",
}


def _record(kind: str, name: str, **fields: object) -> str:
    lines = "".join(f'    field({field}, "{value}")\n' for field, value in fields.items())
    return f'record({kind}, "{name}") {{\n{lines}}}\n'


def types_database(prefix: str) -> str:
    """The text of the database described above."""
    parts = [*_scalars(prefix), *_waveforms(prefix), *_special(prefix)]
    return "".join(parts)


def _scalars(p: str) -> Iterator[str]:
    yield _record("ao", f"{p}DOUBLE", VAL=1.5, PINI="YES", PREC=4, EGU="A", DRVL=0, DRVH=0, FLNK=f"{p}READBACK")
    yield _record("calc", f"{p}READBACK", INPA=f"{p}DOUBLE", CALC="A+1", EGU="A", PREC=4)
    yield _record("longout", f"{p}LONG", VAL=-123456, PINI="YES", EGU="counts")
    yield _record("int64out", f"{p}INT64", VAL=2**53 + 1, PINI="YES", EGU="counts")
    yield _record("mbbo", f"{p}ENUM", VAL=2, PINI="YES", **_states())
    yield _record("bo", f"{p}BOOL", VAL=1, PINI="YES", ZNAM="Closed", ONAM="Open")
    yield _record("stringout", f"{p}STRING", VAL="hello", PINI="YES")
    yield _record("stringout", f"{p}STRING:EMPTY", VAL="", PINI="YES")
    yield _record("stringout", f"{p}STRING:UTF8", VAL=UTF8_TEXT, PINI="YES")
    yield _record("stringout", f"{p}STRING:LATIN1", VAL="5 \udcb5A", PINI="YES")  # one byte B5: not UTF-8
    yield _record("lso", f"{p}LSO", DOL=_constant(LONG_TEXT), SIZV=300, PINI="YES")
    yield _record("lsi", f"{p}LSI", INP=_constant(LONG_TEXT), SIZV=300)
    yield _record(
        "aSub", f"{p}SUB", FTA="FLOAT", FTB="SHORT", FTC="CHAR", FTD="UCHAR", FTE="USHORT", FTF="ULONG", FTG="UINT64",
        INPA=0.1, INPB=-300, INPC=-7, INPD=200, INPE=60_000, INPF=4_000_000_000, INPG=2**53 + 1, PREC=2,
    )  # fmt: skip


def _states() -> dict[str, object]:
    strings = dict(zip(("ZRST", "ONST", "TWST", "THST"), ENUM_LABELS, strict=True))
    values = dict(zip(("ZRVL", "ONVL", "TWVL", "THVL"), range(4), strict=True))
    return {**strings, **values, "THSV": "MAJOR"}


def _waveforms(p: str) -> Iterator[str]:
    for ftvl in FTVLS:
        unit = {} if ftvl in ("STRING", "ENUM") else {"EGU": "mm", "PREC": 2}
        yield _wave(f"{p}WF:{ftvl}", ftvl, 16, _elements(ftvl, 3), **unit)
        yield _wave(f"{p}WF:{ftvl}:ONE", ftvl, 1, _elements(ftvl, 1), **unit)
        yield _record("waveform", f"{p}WF:{ftvl}:EMPTY", FTVL=ftvl, NELM=16, PINI="YES", **unit)
        yield _wave(f"{p}WF:{ftvl}:MANY", ftvl, MANY, _elements(ftvl, MANY), **unit)
    codes = ",".join(str(code) for code in LONG_TEXT.encode())
    yield _wave(f"{p}TEXT", "CHAR", 1024, f"[{codes}]")
    yield _record("waveform", f"{p}BIG", FTVL="DOUBLE", NELM=BIG)


def _wave(name: str, ftvl: str, capacity: int, elements: str, **fields: object) -> str:
    escaped = elements.replace('"', '\\"')
    return _record("waveform", name, FTVL=ftvl, NELM=capacity, PINI="YES", INP=escaped, **fields)


def _constant(text: str) -> str:
    return f'{{const:\\"{text}\\"}}'


def _elements(ftvl: str, count: int) -> str:
    """0, 1, 2 ... kept within 100, so that every type can hold them; halves for floats."""
    numbers = range(count)
    if ftvl == "STRING":
        return "[" + ",".join(f'"text {n % 100}"' for n in numbers) + "]"
    if ftvl in ("FLOAT", "DOUBLE"):
        return "[" + ",".join(str(n % 100 + 0.5) for n in numbers) + "]"
    return "[" + ",".join(str(n % 100) for n in numbers) + "]"


def _special(p: str) -> Iterator[str]:
    limits = {"HOPR": 100, "LOPR": -100, "HIHI": 10, "HIGH": 5, "LOW": -5, "LOLO": -10}
    severities = {"HHSV": "MAJOR", "HSV": "MINOR", "LSV": "MINOR", "LLSV": "MAJOR"}
    yield _record("ao", f"{p}META", VAL=7, PINI="YES", EGU="mA", PREC=3, DRVH=50, DRVL=-50, **limits, **severities)
    yield _record("ao", f"{p}ALARM", VAL=0, PINI="YES", EGU="mA", PREC=3, **limits, **severities)
    yield _record("ao", f"{p}INVALID", VAL=3)
    yield _record("ao", f"{p}READONLY", VAL=4, PINI="YES", ASG="READONLY")
    yield _record("ao", f"{p}HIDDEN", VAL=5, PINI="YES", ASG="HIDDEN")
    yield _record("ao", f"{p}DISABLED", VAL=6, PINI="YES", DISP=1)
    yield _record("ao", f"{p}CLAMPED", VAL=0, PINI="YES", DRVL=-1, DRVH=1)
    yield _record("ao", f"{p}STUBBORN", VAL=0, PINI="YES", FLNK=f"{p}STUBBORN:BACK")
    yield _record(
        "calcout",
        f"{p}STUBBORN:BACK",
        INPA=f"{p}STUBBORN",
        CALC="0",
        OOPT="Every Time",
        OUT=f"{p}STUBBORN.VAL",
    )
    yield _record("ao", f"{p}SLOW", VAL=0, PINI="NO", FLNK=f"{p}SLOW:DELAY")
    yield _record("calcout", f"{p}SLOW:DELAY", CALC="1", ODLY=0.5)
    yield _record("ao", f"{p}NEVER", VAL=0, PINI="NO", FLNK=f"{p}NEVER:DELAY")
    yield _record("calcout", f"{p}NEVER:DELAY", CALC="1", ODLY=3600)
    yield _record("calc", f"{p}COUNTER", CALC="VAL+1", SCAN=".1 second")


def scale_names(prefix: str, count: int) -> tuple[str, ...]:
    """The names of the records of `scale_database`, in order."""
    return tuple(f"{prefix}{number:06d}" for number in range(count))


def scale_database(prefix: str, count: int, moving: int, rate_hz: float) -> str:
    """`count` doubles that can be written; record n starts as n. The first `moving` count up at `rate_hz`."""
    names = scale_names(prefix, count)
    scan = _SCANS[rate_hz]
    counting = [f'record(calc,"{name}"){{field(CALC,"VAL+1") field(SCAN,"{scan}")}}\n' for name in names[:moving]]
    still = [
        f'record(ao,"{name}"){{field(VAL,"{number}") field(PINI,"YES") field(EGU,"A") field(PREC,"3")}}\n'
        for number, name in enumerate(names[moving:], moving)
    ]
    return "".join((*counting, *still))
