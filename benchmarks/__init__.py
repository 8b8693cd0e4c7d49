"""Commands that measure Redrive on throw-away servers; each prints its figures with the ratio to another way in the same run."""
