"""THE HOUSE: the work that Celery does; ``celery -A tasks …`` finds the app here."""

from tasks.celery_app import app

__all__ = ["app"]
