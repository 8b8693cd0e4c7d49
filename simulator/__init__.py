"""An offline Stripe and Resend: real HTTP servers for development, demos and tests, never for production."""
