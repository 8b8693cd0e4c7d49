"""What events mean for purchases: completion, money back, disputes, and the emails of an order."""
