"""Every command, told apart by whether it only looks. Whoever adds a command says here which it is.

`{…}` stands for what a test fills in. What looks is run by a test that compares every key before and after.
"""

LOOKS = (
    "status",
    "check {config}",
    "schema rules",
    "runs ls",
    "runs show {run}",
    "events ls",
    "events ls --aside",
    "events show {event}",
    "jobs ls",
    "jobs ls --dead",
    "jobs show {job}",
    "jobs retry --dead --dry-run",
    "jobs cancel --dead --dry-run",
    "pause ls",
    "workflows check volume-and-sandbox",
    "workflows ls",
    "workflows explain volume-and-sandbox",
    "explain {event}",
    "replay {event} --dry-run",
    "backtest {config}",
    "rules ls",
    "rules test",
    "apis ls",
    "apis show daytona.createVolume",
    "tokens ls",
    "acl",
    "completion bash",
)

JUDGES = ("status",)
"""Those of them whose exit status says that something is wrong, as it is where a test has something of everything."""

ACTS = (
    *("demo", "dev", "serve", "dispatch", "work", "emulator"),
    *("reload", "reconcile"),
    *("runs start", "runs cancel", "runs retry"),
    *("events retry", "replay", "jobs retry", "jobs cancel", "pause", "resume"),
    *("apis call", "apis import", "tokens new"),
)
