"""The Resend side: its API, the mails it has accepted, and the webhooks it sends about them."""
