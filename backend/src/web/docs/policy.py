"""What a page may do (Content Security Policy): everything from this server, and as little else as it can live with."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Policy:
    """The exceptions from the policy of pages (web/server_header.py); each browser's module says why it needs one.

    style_nonce: style elements that carry the page's nonce. style_attributes: style="..." in what scripts insert.
    blob_workers: workers from text that the page holds. evaluation: text as code.
    """

    style_nonce: bool = False
    style_attributes: bool = False
    blob_workers: bool = False
    evaluation: bool = False

    def text(self, nonce: str) -> str:
        """The header."""
        scripts, styles, workers = ["'self'"], ["'self'"], ["'self'"]
        if self.evaluation:
            scripts.append("'unsafe-eval'")
        if self.style_nonce:
            styles.append(f"'nonce-{nonce}'")
        if self.blob_workers:
            workers.append("blob:")
        sources = {"script-src": scripts, "style-src": styles, "worker-src": workers, **_ALIKE}
        if self.style_attributes:
            sources["style-src-attr"] = ["'unsafe-inline'"]
        return "; ".join(f"{name} {' '.join(values)}" for name, values in sources.items())


_ALIKE = {
    "default-src": ["'none'"],
    "img-src": ["'self'", "data:"],
    "font-src": ["'self'", "data:"],
    "connect-src": ["'self'"],
    "form-action": ["'self'"],
    "base-uri": ["'none'"],
    "frame-ancestors": ["'none'"],
}
