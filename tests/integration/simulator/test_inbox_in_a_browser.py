"""The inbox in a real browser: new mails appear by themselves, and a mail's own script never runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import requests
from playwright.sync_api import Page, expect, sync_playwright

from simulator.control import SimulatorClient
from tests.eventually import eventually

Send = Callable[..., requests.Response]

pytestmark = pytest.mark.browser


@pytest.fixture
def page(chromium: str) -> Iterator[Page]:
    with sync_playwright() as playwright, playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"]) as browser:
        yield browser.new_context().new_page()


def test_a_mail_appears_by_itself_and_is_read(simulator: SimulatorClient, send: Send, page: Page) -> None:
    page.goto(simulator.base_url)
    expect(page.get_by_text("No mail yet")).to_be_visible()
    send(subject="Your leads are ready", html="<p>Two leads</p><script>document.body.textContent = 'script ran'</script>")
    page.get_by_text("Your leads are ready").click()
    letter = page.frame_locator("iframe")
    expect(letter.get_by_text("Two leads")).to_be_visible()
    expect(letter.get_by_text("script ran")).to_have_count(0)


def test_a_phone_is_as_narrow_as_a_phone(simulator: SimulatorClient, send: Send, page: Page) -> None:
    page.goto(f"{simulator.base_url}/inbox/{send(html='<p>Hello</p>').json()['id']}")
    letter = page.locator("iframe")
    wide = letter.bounding_box()
    page.get_by_text("Phone").click()
    narrow = letter.bounding_box()
    assert wide
    assert narrow
    assert (wide["width"] > 600, narrow["width"]) == (True, 390)


def test_paying_on_the_checkout_page_shows_up_among_the_payments(
    simulator: SimulatorClient, new_session: Callable[..., object], page: Page
) -> None:
    new_session("purchase-1")
    page.goto(f"{simulator.base_url}/payments")
    page.get_by_role("link", name="cs_test_").click()
    page.get_by_role("button", name="Pay later").click()
    eventually(simulator.events)
    payments = page.context.new_page()  # the first page is on its way back to the shop
    payments.goto(f"{simulator.base_url}/payments")
    expect(payments.get_by_text("complete, unpaid")).to_be_visible()
    expect(payments.get_by_role("cell", name="checkout.session.completed")).to_be_visible()
