"""What goes wrong around a command, told in one sentence instead of a traceback."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click
import redis
from sqlalchemy.exc import InterfaceError, OperationalError, ProgrammingError

from settings import SettingsError
from tasks.errors import RedriveError


@contextmanager
def told_in_a_sentence() -> Iterator[None]:
    """Turn outages and refusals into click's errors, which end the program with status 1."""
    try:
        yield
    except RedriveError as error:
        raise click.ClickException(str(error)) from error
    except SettingsError as error:
        raise click.ClickException(str(error)) from error
    except (OperationalError, InterfaceError):
        raise click.ClickException("The database does not answer: is it running, and is DATABASE_URL right?") from None
    except ProgrammingError as error:
        raise click.ClickException(
            f"The database is not the one that this release expects ({type(error.orig).__name__}): run python -m migrations."
        ) from None
    except redis.RedisError:
        raise click.ClickException("Redis does not answer: is it running, and is REDIS_URL right?") from None
