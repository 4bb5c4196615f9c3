"""Rehearsing: what rules would do with events, without Redis, a clock or any effect. For tests of rules and for backtests."""
