"""Which scripted action, if any, meets a request, and what the connection then looks like from outside."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from aiohttp import web

from simulator.script import Action, Rule

HTML_PAGE = "<html><head><title>502 Bad Gateway</title></head><body><center><h1>502 Bad Gateway</h1></center></body></html>"
JSON = "application/json"


@dataclass
class _Armed:
    """A rule with what it has seen so far."""

    rule: Rule
    seen: int = 0
    fired: int = 0
    chance: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.chance = random.Random(self.rule.seed)  # noqa: S311 - a script, not a secret

    def fires(self, method: str, path: str, recipients: Sequence[str]) -> bool:
        rule = self.rule
        if not _matches(rule, method, path, recipients) or (rule.times is not None and self.fired >= rule.times):
            return False
        self.seen += 1
        if (rule.nth and self.seen not in rule.nth) or (rule.probability < 1 and self.chance.random() >= rule.probability):
            return False
        self.fired += 1
        return True


class Faults:
    """The rules of one provider, in order."""

    def __init__(self, rules: Iterable[Rule] = ()) -> None:
        self._armed = [_Armed(rule) for rule in rules]
        self.match_recipients = any(armed.rule.to is not None for armed in self._armed)

    def action_for(self, method: str, path: str, recipients: Sequence[str] = ()) -> Action | None:
        for armed in self._armed:
            if armed.fires(method, path, recipients):
                return armed.rule.action
        return None

    def fired(self) -> dict[str, int]:
        """How often each named rule has fired."""
        return {armed.rule.name: armed.fired for armed in self._armed if armed.rule.name}


async def wait(milliseconds: int) -> None:
    if milliseconds:
        await asyncio.sleep(milliseconds / 1000)


async def spoil(request: web.Request, action: Action, error: Callable[[Action], web.Response]) -> web.Response | None:
    """The answer that ``action`` asks for; None when it only takes time. ``error`` writes an error in the provider's shape."""
    await wait(action.delay_ms)
    headers = {**action.headers, **({} if action.retry_after is None else {"retry-after": str(action.retry_after)})}
    match action.kind:
        case "slow":
            return None
        case "cut" | "hang":
            return _cut(request)
        case "html":
            response = web.Response(status=action.status or 502, text=HTML_PAGE, content_type="text/html")
        case "no_id":
            response = web.Response(status=action.status or 200, text=action.body, content_type=JSON)
        case "not_json":
            response = web.Response(status=action.status or 200, text="OK")
        case _:
            response = error(action)
    response.headers.update(headers)
    return response


def _cut(request: web.Request) -> web.Response:
    """End the connection without an answer; the response that is returned can no longer be written anywhere."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=499)


def _matches(rule: Rule, method: str, path: str, recipients: Sequence[str]) -> bool:
    if rule.method is not None and rule.method.upper() != method:
        return False
    if rule.path is not None and not fnmatchcase(path, rule.path):
        return False
    return rule.to is None or any(fnmatchcase(recipient, rule.to) for recipient in recipients)
