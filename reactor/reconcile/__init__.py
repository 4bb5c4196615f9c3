"""Reconciling: what an API lists against what its events told. `reconciler` says when, `comparison` does it once."""
