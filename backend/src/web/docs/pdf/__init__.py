"""The interface as a PDF document."""

from backend.src.web.docs.pdf.document import make_pdf

__all__ = ["make_pdf"]
