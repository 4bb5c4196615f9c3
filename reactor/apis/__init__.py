"""Calling the APIs that rules name: documents as data, requests, and the one HTTP client."""
