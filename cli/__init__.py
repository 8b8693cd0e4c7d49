"""The operators' terminal: the same actions as the admin pages."""
