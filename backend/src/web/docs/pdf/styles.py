"""How the PDF looks: paper, type, colours."""

from __future__ import annotations

from reportlab.lib.colors import HexColor
from reportlab.lib.enums import TA_LEFT
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm

PAPER = A4
MARGIN = 20 * mm
WIDTH = PAPER[0] - 2 * MARGIN

INK, FAINT, RULE, SHADE = HexColor("#1b2a2c"), HexColor("#5c6f72"), HexColor("#cfdadb"), HexColor("#f1f5f5")
LINK = "#0f6f78"
METHOD_COLOURS = {
    "GET": HexColor("#1f6fb2"),
    "POST": HexColor("#2d8a4e"),
    "PUT": HexColor("#b06a00"),
    "PATCH": HexColor("#7a5ac0"),
    "DELETE": HexColor("#b3261e"),
}

TEXT = ParagraphStyle("text", fontName="Helvetica", fontSize=9, leading=12.5, textColor=INK, spaceAfter=4)
CELL = ParagraphStyle("cell", parent=TEXT, fontSize=8, leading=10.5, spaceAfter=0, alignment=TA_LEFT)
CODE = ParagraphStyle("code", parent=CELL, fontName="Courier", fontSize=7.6, splitLongWords=True)
HEAD = ParagraphStyle("head", parent=CELL, fontName="Helvetica-Bold", textColor=FAINT)
LABEL = ParagraphStyle(
    "label", parent=TEXT, fontName="Helvetica-Bold", fontSize=8.5, spaceBefore=5, spaceAfter=2, keepWithNext=1
)
CHAPTER = ParagraphStyle("chapter", parent=TEXT, fontName="Helvetica-Bold", fontSize=17, leading=22, spaceAfter=8)
SECTION = ParagraphStyle(
    "section", parent=TEXT, fontName="Helvetica-Bold", fontSize=11.5, leading=15, spaceBefore=12, spaceAfter=3
)
TITLE = ParagraphStyle("title", parent=TEXT, fontName="Helvetica-Bold", fontSize=34, leading=40, spaceAfter=6)
LEAD = ParagraphStyle("lead", parent=TEXT, fontSize=13, leading=18, textColor=FAINT, spaceAfter=10)
CONTENTS = (
    ParagraphStyle("contents1", parent=TEXT, fontName="Helvetica-Bold", spaceBefore=5, spaceAfter=1),
    ParagraphStyle("contents2", parent=TEXT, fontSize=8.5, leading=11, leftIndent=10, spaceAfter=0),
)
