"""The shelf itself: one file for each kind of email that we send."""
