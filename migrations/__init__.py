"""The history of the database, applied in order by ``python -m migrations`` (the ``release`` process)."""
