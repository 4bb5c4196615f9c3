"""Arazzo workflows: documents parsed, evaluated, analysed and stepped, without any I/O.

    load.py         a document as frozen values, every mistake and every liberty taken with its place
    expressions.py  runtime expressions: `$steps.create.outputs.id`, parsed once
    conditions.py   the `simple` conditions
    criteria.py     conditions of every type, each answering with a finding
    inputs.py       what a workflow is given, and which of it is secret
    polls.py        which steps only poll, and what they wait for
    engine.py       what happened -> the next call, wait or end

Nothing here may import Redis, RQ, an HTTP client or a web framework: what to do is decided here and done elsewhere.
"""
