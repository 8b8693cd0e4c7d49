"""THE DOOR: verifies what a provider sends, remembers it, publishes it, answers; it decides nothing."""
