"""``python -m migrations``: bring the database up to date; safe to run at every release, also twice at once."""

from pathlib import Path

from alembic import command
from alembic.config import Config


def upgrade_to_newest() -> None:
    """Apply what is missing; raises SQLAlchemy's errors as they are."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.set_main_option("path_separator", "os")
    command.upgrade(config, "head")


if __name__ == "__main__":
    upgrade_to_newest()
