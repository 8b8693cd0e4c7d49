"""The pages of the simulator: an inbox, a checkout to pay on, and what the shop was told."""
