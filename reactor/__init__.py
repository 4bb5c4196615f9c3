"""Webhooks in, reactions out: an event reactor for fleets of sandboxes."""

__version__ = "0.1.0"
