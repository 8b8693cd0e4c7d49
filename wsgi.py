"""The web process: the door, the shop's API and the operators' window in one WSGI application (``wsgi:app``)."""

from __future__ import annotations

from flask import Flask

from admin.health import blueprint as health
from admin.operations_health import blueprint as admin
from admin.watch import Watch
from api.notifications import blueprint as notifications
from api.openapi import blueprint as openapi
from api.purchases import blueprint as purchases
from settings import get_settings
from tasks.logs import configure_logging
from tasks.publishing import RedisDoorbell, install_doorbell, redis_client
from webhooks.background_doorbell import BackgroundDoorbell
from webhooks.receiver import blueprint as webhooks
from webhooks.receiver import warm_up


def create_app() -> Flask:
    """Assemble the rooms; the settings are read here, so that a bad environment stops the start and not a request."""
    app = Flask(__name__)
    configure_logging(settings=get_settings())
    install_doorbell(BackgroundDoorbell(RedisDoorbell(redis_client(timeout_seconds=1))))
    for blueprint in (webhooks, purchases, notifications, openapi, health, admin):
        app.register_blueprint(blueprint)
    return app


app = create_app()
warm_up()
Watch(every_seconds=get_settings().watch_seconds).start()  # also when Beat and every worker are dead
