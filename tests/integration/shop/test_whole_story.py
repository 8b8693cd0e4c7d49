"""From the API to the inbox: the real receiver and a real worker between the simulated Stripe and the simulated Resend."""

from __future__ import annotations

from sqlalchemy import text

from models.connection import transaction
from simulator.control import SimulatorClient
from tests.eventually import eventually
from tests.fixtures.processes import ProcfileProcessFactory
from tests.shop import add_leads
from tests.shop_api import Shop


def test_leads_bought_over_http_and_paid_at_stripe_are_sold_and_mailed_and_a_refund_is_too(
    shop: Shop, simulator: SimulatorClient, app_environment: dict[str, str], procfile_process: ProcfileProcessFactory
) -> None:
    simulator.send_webhooks_to(app_environment["PUBLIC_URL"])
    for name in ("web", "worker"):
        procfile_process(name)
    with transaction() as session:
        leads = add_leads(session, 2)
    made = shop.buy({"kind": "leads", "email": "ada@example.com", "lead_ids": [str(lead) for lead in leads]}).get_json()
    simulator.buyer_does(made["checkout_session_id"], "pay")

    subjects = eventually(lambda: sorted(mail.subject for mail in simulator.emails()) if len(simulator.emails()) == 2 else None, 30)
    assert subjects == ["Welcome to Redrive Demo Shop", "Your purchase at Redrive Demo Shop: $50.00"]
    paid = shop.get(made["id"]).get_json()
    assert (paid["status"], [item["delivered"] for item in paid["items"]]) == ("completed", [True, True])

    simulator.trigger("charge.refunded", session_id=made["checkout_session_id"], refund_cents=1_000)
    eventually(lambda: any("refund of $10.00" in mail.subject for mail in simulator.emails()), 30)
    assert shop.get(made["id"]).get_json()["refunded_cents"] == 1_000
    with transaction() as session:
        assert session.execute(text("SELECT count(*) FROM webhook_events WHERE status = 'failed'")).scalar_one() == 0
