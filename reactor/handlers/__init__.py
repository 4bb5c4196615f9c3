"""The handlers: one function per kind of action. `HANDLERS` in `table` says which performs what."""
