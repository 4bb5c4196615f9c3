"""The table of the HTTP API: every route, who may use it, what it takes and what does it."""

from reactor.http_api import events, jobs, pauses, replay, runs, status
from reactor.http_api.api import ApiRoute

ROUTES = (
    ApiRoute("GET", "/status", "read", status.show, "what is wrong now, part by part"),
    ApiRoute("GET", "/runs", "read", runs.ls, "runs, the newest first", query=("limit",)),
    ApiRoute("POST", "/runs", "operate", runs.start, "begin a run", body=("workflow", "workflowId", "inputs")),
    ApiRoute("GET", "/runs/{run}", "read", runs.show, "one run, with its steps"),
    ApiRoute("POST", "/runs/{run}/cancel", "operate", runs.cancel, "take no further step"),
    ApiRoute("POST", "/runs/{run}/retry", "operate", runs.retry, "go on from the step where it ended"),
    ApiRoute(
        "GET",
        "/jobs",
        "read",
        jobs.ls,
        "jobs, not the done ones",
        query=("state", "rule", "api", "queue", "since", "limit"),
    ),
    ApiRoute("GET", "/jobs/{job}", "read", jobs.show, "one job, with its event, its remedy and what people did"),
    ApiRoute("POST", "/jobs/{job}/retry", "operate", jobs.retry, "make a dead or unknown job due again"),
    ApiRoute("POST", "/jobs/{job}/cancel", "operate", jobs.cancel, "give a job up for good"),
    ApiRoute(
        "GET", "/events", "read", events.ls, "events, the newest first", query=("aside", "type", "resource", "limit")
    ),
    ApiRoute("GET", "/events/{event}", "read", events.show, "one event, with its payload, verdict and plan"),
    ApiRoute("GET", "/events/{event}/explain", "read", events.explain, "why it led to what it did", query=("rule",)),
    ApiRoute("POST", "/events/{event}/retry", "operate", events.retry, "decide again on what was set aside"),
    ApiRoute(
        "POST",
        "/replay",
        "operate",
        replay.begin,
        "show what deciding again would ask for; with `confirm: true`, do it",
        body=("events", "since", "until", "type", "confirm"),
    ),
    ApiRoute("GET", "/pauses", "read", pauses.ls, "what is paused"),
    ApiRoute("POST", "/pause", "operate", pauses.begin, "stop acting", body=("api", "rule", "reason", "for")),
    ApiRoute("POST", "/resume", "operate", pauses.end, "act again", body=("api", "rule")),
)
