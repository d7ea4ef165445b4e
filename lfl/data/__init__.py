"""Raw data as tensors, how they are split and scaled, and how batches are drawn."""
