"""What a worker and Beat need to be safe on Redis: limits, canary, leadership, a soft end."""
