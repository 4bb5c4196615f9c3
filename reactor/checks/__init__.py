"""Rules put to everything they refer to: what only shows when files are seen together."""
