"""How emails leave through Resend, one by one or in batches, and what holds them back."""
