"""Data: splits, scaling, augmentation and batches, and readers of a user's own files."""
