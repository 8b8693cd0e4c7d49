"""The Stripe side: the API calls a shop makes, a checkout page to pay on, and the events that follow."""
