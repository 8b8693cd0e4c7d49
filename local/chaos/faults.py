"""What can be broken, and how it is repaired: one entry for each kind of fault."""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

import psycopg
import redis

from local.chaos.stage import WORKERS, Stage, send
from settings import get_settings
from simulator.script import Rule, cut_after, cut_before, fails, hang_after, slow, without_id
from tasks.celery_app import app

Act = Callable[[Stage, random.Random], Awaitable[None]]


@dataclass(frozen=True)
class Fault:
    """How often it happens, what it breaks (so that two do not meet there), and what it does until all is whole again."""

    weight: int
    touches: frozenset[str]
    act: Act


async def _kill_worker_child(stage: Stage, chance: random.Random) -> None:
    children = stage.family(chance.choice(WORKERS))[1:]
    send(chance.sample(children, min(1, len(children))), signal.SIGKILL)


async def _kill_worker(stage: Stage, chance: random.Random) -> None:
    send(stage.family(chance.choice(WORKERS))[:1], signal.SIGKILL)


async def _stop_worker(stage: Stage, chance: random.Random) -> None:
    await stage.stop_gently(chance.choice(WORKERS))


async def _kill_everything(stage: Stage, chance: random.Random) -> None:
    for name in ("web", "beat", *WORKERS):
        send(stage.family(name), signal.SIGKILL)
    stage.redis.kill()
    stage.postgres.kill()
    await asyncio.sleep(chance.uniform(0, 1))
    stage.postgres.start()
    stage.redis.start()


async def _pause_worker(stage: Stage, chance: random.Random) -> None:
    """Long enough, at times, that its leases run out and another does its work while it sleeps."""
    family = stage.family(chance.choice(WORKERS))
    send(family, signal.SIGSTOP)
    await asyncio.sleep(chance.uniform(1, 1.3 * get_settings().lease_seconds))
    send(family, signal.SIGCONT)


async def _deafen_worker(_stage: Stage, chance: random.Random) -> None:
    """The worker stops consuming and goes on answering pings, as after some reconnects; it has to end itself."""
    await asyncio.to_thread(_cancel_all_consumers, chance.choice(WORKERS))


def _cancel_all_consumers(name: str) -> None:
    with suppress(Exception):  # Redis or the worker may be away just now
        for node, queues in (app.control.inspect(timeout=1).active_queues() or {}).items():
            if node.startswith(f"{name}@"):
                for queue in queues:
                    app.control.cancel_consumer(queue["name"], destination=[node], reply=False)


async def _kill_web(stage: Stage, _chance: random.Random) -> None:
    send(stage.family("web")[:1], signal.SIGKILL)


async def _kill_web_child(stage: Stage, chance: random.Random) -> None:
    children = stage.family("web")[1:]
    send(chance.sample(children, min(1, len(children))), signal.SIGKILL)


async def _kill_beat(stage: Stage, _chance: random.Random) -> None:
    send(stage.family("beat"), signal.SIGKILL)


async def _kill_redis(stage: Stage, chance: random.Random) -> None:
    stage.redis.kill()
    await asyncio.sleep(chance.uniform(0, 4))
    stage.redis.start()


async def _empty_redis(stage: Stage, chance: random.Random) -> None:
    stage.redis.lose_data()
    await asyncio.sleep(chance.uniform(0, 2))
    stage.redis.start()


async def _pause_redis(stage: Stage, chance: random.Random) -> None:
    stage.redis.pause()
    await asyncio.sleep(chance.uniform(1, 8))
    stage.redis.resume()


async def _drop_redis_connections(stage: Stage, chance: random.Random) -> None:
    with suppress(redis.RedisError), redis.Redis.from_url(stage.redis.url, socket_timeout=2) as client:
        for _ in range(chance.randint(1, 6)):
            client.client_kill_filter(_type="normal", skipme=True)


async def _crash_postgres(stage: Stage, chance: random.Random) -> None:
    """Immediate shutdown or kill, then crash recovery."""
    if chance.random() < 0.5:  # noqa: PLR2004 - a coin
        stage.postgres.kill()
    else:
        stage.postgres.kill(signal.SIGQUIT)
        while stage.postgres.running:  # noqa: ASYNC110 - nobody tells when a process has ended
            await asyncio.sleep(0.02)
    await asyncio.sleep(chance.uniform(0, 3))
    stage.postgres.start()


async def _pause_postgres(stage: Stage, chance: random.Random) -> None:
    stage.postgres.pause()
    await asyncio.sleep(chance.uniform(1, 6))
    stage.postgres.resume()


async def _drop_postgres_connections(stage: Stage, _chance: random.Random) -> None:
    with suppress(psycopg.Error), psycopg.connect(stage.postgres.admin_url, autocommit=True) as connection:
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'redrive'")


def _mail(*rules: Rule) -> Act:
    """The provider misbehaves for a while."""

    async def misbehave(stage: Stage, chance: random.Random) -> None:
        seed = chance.randrange(1 << 30)
        stage.script_mail(*(rule.model_copy(update={"seed": seed + place}) for place, rule in enumerate(rules)))
        await asyncio.sleep(chance.uniform(2, 8))
        stage.script_mail()

    return misbehave


def _fault(weight: int, touches: str, act: Act) -> Fault:
    return Fault(weight, frozenset(touches.split()), act)


FAULTS = {
    "worker: child killed": _fault(6, "", _kill_worker_child),
    "worker: main process killed": _fault(4, "worker", _kill_worker),
    "worker: SIGTERM, as at a deploy": _fault(3, "worker", _stop_worker),
    "worker: paused, at times beyond its leases": _fault(2, "worker", _pause_worker),
    "worker: deaf to its queues": _fault(1, "worker", _deafen_worker),
    "web: main process killed": _fault(2, "web", _kill_web),
    "web: child killed": _fault(2, "web", _kill_web_child),
    "beat: killed": _fault(2, "beat", _kill_beat),
    "everything killed at once": _fault(1, "web beat worker redis postgres", _kill_everything),
    "Redis: killed, data kept": _fault(3, "redis", _kill_redis),
    "Redis: killed, data lost": _fault(3, "redis", _empty_redis),
    "Redis: hung": _fault(3, "redis", _pause_redis),
    "Redis: connections dropped": _fault(3, "redis", _drop_redis_connections),
    "PostgreSQL: crashed": _fault(4, "postgres", _crash_postgres),
    "PostgreSQL: hung": _fault(2, "postgres", _pause_postgres),
    "PostgreSQL: connections dropped": _fault(3, "postgres", _drop_postgres_connections),
    "mail: 500s": _fault(3, "mail", _mail(Rule(action=fails("application_error"), probability=0.7))),
    "mail: cut, before and after taking": _fault(3, "mail", _mail(Rule(action=cut_after(), probability=0.5), Rule(action=cut_before()))),
    "mail: slow": _fault(2, "mail", _mail(Rule(action=slow(2_500), probability=0.6))),
    "mail: silent after taking": _fault(2, "mail", _mail(Rule(action=hang_after(12), times=3))),
    "mail: 200 without an id": _fault(2, "mail", _mail(Rule(action=without_id(), probability=0.5))),
    "mail: 429": _fault(2, "mail", _mail(Rule(action=fails("rate_limit_exceeded", retry_after=2), probability=0.5))),
    "mail: 409, key in flight": _fault(1, "mail", _mail(Rule(action=fails("concurrent_idempotent_requests"), probability=0.5))),
}
