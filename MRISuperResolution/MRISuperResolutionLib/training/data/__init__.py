"""Truths, acquisitions and references in, batches out."""
