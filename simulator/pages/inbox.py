"""The inbox: the mails as the people they were sent to would see them."""

from __future__ import annotations

import asyncio
from typing import Any

from aiohttp import web

from simulator.mail.mailbox import Mailbox
from simulator.mail.notices import Notices
from simulator.pages.rendering import from_this_page, page
from simulator.script import NOTICE_TYPES

SHOWN = 200
LOOK_SECONDS = 0.5
# No script, no form, no request to anywhere; a link may open a new tab.
MAIL_POLICY = "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'"
BY_HAND = ("email.delivered", "email.opened", "email.clicked", "email.bounced", "email.complained", "email.failed")
VIEWS = ("html", "text", "details")


class InboxPages:
    """``/`` and ``/inbox/…``."""

    def __init__(self, mailbox: Mailbox, notices: Notices) -> None:
        self._mailbox = mailbox
        self._notices = notices
        self._closing = False

    async def close(self, _app: web.Application) -> None:
        """End the open streams, which a shutdown would otherwise wait for."""
        self._closing = True

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/", self._inbox),
            web.get("/inbox", self._inbox),
            web.get("/inbox/list", self._list),
            web.get("/inbox/changes", self._changes),
            web.get("/inbox/{id}", self._inbox),
            web.get("/inbox/{id}/body", self._body),
            web.post("/inbox/{id}/{notice}", self._notify),
        ]

    async def _inbox(self, request: web.Request) -> web.Response:
        chosen = request.match_info.get("id")
        mail = self._mailbox.find(chosen) if chosen else None
        if chosen and mail is None:
            return page("not_found.html", 404, what="mail", active="inbox")
        return page("inbox.html", mail=mail, view=_view(request, mail), by_hand=BY_HAND, active="inbox", **self._rows(request, chosen))

    async def _list(self, request: web.Request) -> web.Response:
        return page("inbox_rows.html", **self._rows(request, request.query.get("chosen")))

    def _rows(self, request: web.Request, chosen: str | None) -> dict[str, Any]:
        search = request.query.get("q", "")
        mails = self._mailbox.newest(limit=SHOWN + 1, search=search)
        return {"mails": mails[:SHOWN], "more": len(mails) > SHOWN, "search": search, "chosen": chosen, "total": self._mailbox.count()}

    async def _body(self, request: web.Request) -> web.Response:
        mail = self._mailbox.find(request.match_info["id"])
        if mail is None or mail["html"] is None:
            raise web.HTTPNotFound(text="This mail has no HTML, or its body is not kept.")
        headers = {"Content-Security-Policy": MAIL_POLICY, "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}
        return web.Response(text=f'<base target="_blank">{mail["html"]}', content_type="text/html", headers=headers)

    async def _notify(self, request: web.Request) -> web.Response:
        """What the person behind the address does, by a button: the notice goes to the shop as Resend would send it."""
        from_this_page(request)
        notice = request.match_info["notice"]
        mail = self._mailbox.find(request.match_info["id"])
        if notice not in NOTICE_TYPES or mail is None:
            raise web.HTTPNotFound(text="There is no such mail or notice.")
        self._notices.send(mail["id"], notice)
        raise web.HTTPSeeOther(f"/inbox/{mail['id']}?view=details")

    async def _changes(self, request: web.Request) -> web.StreamResponse:
        """A line whenever mails have arrived or changed, at most twice a second."""
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
        await response.prepare(request)
        seen = self._mailbox.changes
        while not self._closing and request.transport is not None and not request.transport.is_closing():
            await asyncio.sleep(LOOK_SECONDS)
            if self._mailbox.changes != seen:
                seen = self._mailbox.changes
                await response.write(b"data: changed\n\n")
        return response


def _view(request: web.Request, mail: dict[str, Any] | None) -> str:
    wanted = request.query.get("view")
    if wanted in VIEWS:
        return wanted
    return "text" if mail is not None and mail["html"] is None else "html"
