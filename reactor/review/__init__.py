"""Review: what is well-formed and still can't be meant. Pure; reads rules, API files and texts, and decides nothing.

Owns what a careful colleague would say of a rule: that it can never match, does what another does, calls itself up again
for ever, asks for one name again and again, or shows a secret. One file for each of these.
"""

from reactor.review.leaks import leaks, masked
from reactor.review.rules import Review

__all__ = ["Review", "leaks", "masked"]
