"""The shop's own requests: making purchases and asking about them, as JSON with a bearer token."""
