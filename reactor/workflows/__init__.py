"""Arazzo workflows: documents parsed, evaluated, analysed and stepped, without any I/O.

    load.py         a document as frozen values, every mistake and every liberty taken with its place
                    (model: the file format; compiling, references: its parts; document: the values)
    expressions.py  runtime expressions: `$steps.create.outputs.id`, parsed once
    conditions.py   the `simple` conditions
    criteria.py     conditions of every type, each answering with a finding
    apis.py         what has to be known of the APIs
    polls.py        which steps only poll, and what they wait for
    inputs.py       what a workflow is given, and which of it is secret
    program.py      a document put to the APIs, explained and ready to run
    run.py          a run as one value, what can happen to it, what it can ask for
    engine.py       what happened -> the run as it is now, and its next call, wait or end
                    (choice: what criteria say; stepping: from step to step; asking: the command rendered)

Nothing here may import Redis, RQ, an HTTP client or a web framework: what to do is decided here and done elsewhere.
"""
