"""A receiver that checks and stores nothing: what this machine's Flask can answer at best today, to compare runs of different days."""

from __future__ import annotations

from flask import Flask, Response, request

app = Flask(__name__)


@app.post("/webhooks/stripe")
def receive() -> Response:
    """Read the body and answer."""
    request.get_data(cache=False)
    return Response('{"received": true}', mimetype="application/json")
