"""Rules: what ops teams write, and what an event makes of it. Pure: no Redis, queue, HTTP or web framework."""
