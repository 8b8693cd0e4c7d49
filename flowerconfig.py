"""HOW Flower shows the workers: its options, each with its reason; ``celery -A tasks flower`` reads this file by its name."""

from settings import get_settings

# Always behind a login: the public demo login in development, and in production the settings refuse to load without a real one.
basic_auth = [login.strip() for login in get_settings().flower_basic_auth.get_secret_value().split(",") if login.strip()]

max_tasks = 10_000  # of the 100,000 it would keep by default it never lets go: memory grew for days (mher/flower#1305)
purge_offline_workers = 60  # every restart of a worker is a new one here; old ones leave after a minute
natural_time = True
