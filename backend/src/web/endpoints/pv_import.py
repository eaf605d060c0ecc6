"""/v1/pvs/import and /export: the catalogue as a Squirrel PV list."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import Query
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import Response

from backend.src.core.errors import Invalid
from backend.src.services.accounts import Principal
from backend.src.services.catalog import Catalog, Outcome
from backend.src.web.access import Access, CurrentPrincipal
from backend.src.web.audit_trail import note_outcome
from backend.src.web.boilerplates import CSV, Boilerplates
from backend.src.web.pv_models import ImportAnswer, import_json
from backend.src.web.routes import BodyLimit, Route

TAGS = ("PVs",)
MULTIPART = "multipart/form-data"

Format = Annotated[Literal["csv"], Query(description="there is one so far")]

AS_IT_IS = ("", CSV, "text/plain", "application/csv", "application/octet-stream", "application/vnd.ms-excel")
FILE_NAME = "larder-pvs.csv"
LIST = (
    "Setpoint,Readback,Device,Description,Area\nQUAD:LI21:201:BDES,QUAD:LI21:201:BACT,QUAD 201,Quadrupole field,LI21\n"
)

_FORM: dict[str, Any] = {
    "type": "object",
    "required": ["file"],
    "properties": {"file": {"type": "string", "format": "binary", "examples": [LIST]}},
}


class PvImportEndpoint:
    """The PV list, in and out."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def routes(self) -> tuple[Route, ...]:
        """Its routes, as data."""
        text = {"type": "string", "examples": [LIST]}
        return (
            Route("POST", "/v1/pvs/import", self.take, access=Access.WRITE, summary="Import a list of PVs", tags=TAGS,
                  response_model=ImportAnswer, body_limit=BodyLimit.IMPORT,
                  request_content={CSV: text, MULTIPART: _FORM}),
            Route("GET", "/v1/pvs/export", self.give, access=Access.READ, summary="Export every PV as a list",
                  tags=TAGS, content={CSV: text}),
        )  # fmt: skip

    async def take(
        self,
        request: Request,
        dry_run: Annotated[bool, Query(alias="dryRun", description="say what would happen, change nothing")] = False,
        principal: Principal = CurrentPrincipal,
    ) -> Response:
        """The file is the body, or `file` of a form. Rows that make no sense are rejected, the others taken."""
        content = await _file_of(request)
        report = await self._catalog.import_csv(content, actor=principal.name, dry_run=dry_run)
        note_outcome(created=report.count(Outcome.CREATED), updated=report.count(Outcome.UPDATED))
        return Boilerplates.json(import_json(report))

    async def give(self, format: Format = "csv") -> Response:
        """Importing it again changes nothing."""
        return Boilerplates.csv(await self._catalog.export_csv(), FILE_NAME)


async def _file_of(request: Request) -> bytes:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind in AS_IT_IS:
        return await request.body()
    if kind != MULTIPART:
        raise Invalid(f"a PV list cannot be {kind[:100]}", remedy=f"send it as {CSV} or as {MULTIPART}")
    async with request.form(max_files=1, max_fields=0) as form:
        file = form.get("file")
        if not isinstance(file, UploadFile):
            raise Invalid("the form has no file called 'file'")
        return await file.read()
