"""THE WINDOW: lets people and monitoring look at the work, and repair it."""
