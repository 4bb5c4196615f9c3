"""Runs of workflows: begun, moved on, and stored with what they need next. The engine that decides is `workflows`."""
