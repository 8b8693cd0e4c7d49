"""``/admin/operations-health``: on one page, whether all is well; ``.json`` says the same to monitoring."""

from __future__ import annotations

from datetime import datetime

from flask import Blueprint, Response, jsonify, render_template
from flask.typing import ResponseReturnValue

from admin.health_report import read_health
from admin.login import operators_only

blueprint = Blueprint("admin", __name__, url_prefix="/admin", template_folder="templates", static_folder="static")

POLICY = "default-src 'none'; style-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"


@blueprint.get("/operations-health")
@operators_only
def operations_health() -> ResponseReturnValue:
    """The page; it loads itself again every quarter of a minute."""
    report = read_health()
    return render_template("operations_health.html", report=report), 200 if report.now else 503


@blueprint.get("/operations-health.json")
@operators_only
def operations_health_json() -> ResponseReturnValue:
    """200 when all is well, else 503."""
    report = read_health()
    return jsonify(report.as_json()), 200 if report.well else 503


@blueprint.after_request
def _headers(response: Response) -> Response:
    """Nothing of a page is kept, framed or run."""
    if response.mimetype != "text/css":
        response.headers["Cache-Control"] = "no-store"
    response.headers.setdefault("Content-Security-Policy", POLICY)
    response.headers["Referrer-Policy"] = "same-origin"
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


@blueprint.app_template_filter()
def span(seconds: float) -> str:
    """How long, in one unit: 8 s, 12 min, 5 h, 3 d."""
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"


@blueprint.app_template_filter()
def ago(moment: datetime | None, now: datetime) -> str:
    """How long ago, or that it never was."""
    return "never" if moment is None else f"{span((now - moment).total_seconds())} ago"
