"""Every Redis key of the reactor in one table: its type, what it holds, how long it lives. No I/O."""

from dataclasses import dataclass
from typing import Final

SCHEMA = 1
"""Version of the layout below. A reactor refuses data of a newer version than its own."""

MAIN: Final = "main"
"""The queue of every row that names no other."""


@dataclass(frozen=True, slots=True)
class Key:
    """One kind of key; `{i}` is the instance."""

    name: str
    type: str
    holds: str
    lives: str


TABLE = (
    Key("{i}:schema", "string", "version of this layout", "for ever"),
    Key("{i}:log", "stream", "the event log: source, id, organization, body", "the retention, and until acknowledged"),
    Key("{i}:aside", "zset", "log entries of events nobody could decide on, by acceptance (ms)", "as their events"),
    Key("{i}:seen:{source}:{id}", "string", "log entry of a delivery's signed id", "dedup window"),
    Key(
        "{i}:copies:{source}:{id}", "string", "how often a delivery came again", "the dedup window after the last copy"
    ),
    Key("{i}:event:{entry}", "hash", "verdict and plan of one event", "twice the dedup window"),
    Key("{i}:meaning:{hash}", "string", "log entry of the event that said this first", "dedup window"),
    Key(
        "{i}:resource:{api}:{kind}:{id}",
        "hash",
        "state, its time, seq, name",
        "twice the window after its last event",
    ),
    Key("{i}:alias:{api}:{kind}:{name}", "hash", "id of this name's resource, last said by name", "as its resource"),
    Key("{i}:live:{api}:{kind}", "set", "ids of resources that have not ended", "twice the window after a change"),
    Key("{i}:row:{row}", "hash", "one job of the ledger", "twice the dedup window once ended"),
    Key(
        "{i}:timer:{timer}", "hash", "a rule that waits, with the rows it will make", "twice the dedup window once ripe"
    ),
    Key(
        "{i}:flow:{flow}",
        "hash",
        "the newest burst of a rule and key: its timer, its first time",
        "twice the dedup window",
    ),
    Key(
        "{i}:times:{control}:{flow}",
        "zset",
        "when a rule acted, counted or was called off, for one key, by event time (ms)",
        "what the rule looks back; for `unless` twice that and a day",
    ),
    Key("{i}:due", "zset", "everything with a time, by that time (ms)", "for ever"),
    Key("{i}:finished:{state}", "zset", "rows that ended dead or unknown, by time (ms)", "entries go with their rows"),
    Key("{i}:gate:{api}", "string", "why an API takes no calls now, or a target can't be told", "until it does"),
    Key("{i}:pauses", "hash", "what is paused (all, api:…, rule:…): since, until, by whom, why", "until resumed"),
    Key("{i}:held:{scope}", "set", "rows that a pause keeps from being claimed", "until resumed"),
    Key("{i}:budget:{api}", "string", "creates that an API was asked for", "a minute"),
    Key("{i}:lock:{lock}", "string", "row that is creating a resource of this name", "a lease and ten minutes"),
    Key(
        "{i}:run:{run}",
        "hash",
        "one run of a workflow: the engine's state, its generation",
        "twice the window once over",
    ),
    Key(
        "{i}:probe:{api}:{kind}:{id}", "string", "row that looks for all that wait for a resource", "a probe's interval"
    ),
    Key("{i}:hears:{api}:{event}:{about}", "set", "rows that wait for a message", "twice the dedup window"),
    Key("{i}:told:{api}", "hash", "log entry of the last fresh event, by type", "for ever"),
    Key("{i}:runs", "zset", "runs, by when they began (ms)", "entries go with their runs"),
    Key(
        "{i}:waits:{api}:{kind}:{id}",
        "set",
        "rows that wait for a resource; with `name/{name}` for its id, for whoever has a name",
        "twice the dedup window",
    ),
    Key(
        "{i}:document:{hash}",
        "string",
        "a workflow document that runs began with",
        "twice the window after its last run",
    ),
    Key("{i}:revision:{hash}", "string", "the texts of one revision, by name", "as long as plans that name it"),
    Key("{i}:text:{hash}", "string", "a file of the configuration, compressed", "as its newest revision"),
    Key("{i}:accepted:{hash}", "string", "a revision with far fewer rules that a person accepts", "a day"),
    Key("{i}:process:{process}", "string", "the revision a process runs, and what it refuses", "30 s"),
    Key("{i}:processes", "zset", "processes, by their last sign of life (s)", "entries go after 300 s"),
    Key(
        "{i}:reconciled", "hash", "for each API, up to when everything of it was seen, and what came of it", "for ever"
    ),
    Key("{i}:reconciling:{api}", "string", "who reconciles an API now", "a lease"),
    Key("{i}:heard", "hash", "when each source was last heard (ms)", "for ever"),
    Key(
        "{i}:watches", "zset", "what is long-polled, by when it is free for another watcher (ms)", "goes with its waits"
    ),
    Key(
        "{i}:watch:{watch}",
        "hash",
        "one long poll: what is asked, who asks, the rows that wait and for which states",
        "goes with its waits",
    ),
    Key("{i}:count", "hash", "counters shared by all processes", "for ever"),
)
"""The whole layout. RQ's own keys are its own: `rq:queue:{i}`, `rq:queue:{i}.{queue}` and what belongs to them."""


def shared_keys(instance: str) -> dict[str, str]:
    """The keys that everything goes by, as there is one of each, and their types."""
    return {key.name.format(i=instance): key.type for key in TABLE if key.name.count("{") == 1}


@dataclass(frozen=True, slots=True)
class Keys:
    """Names the keys of one instance."""

    instance: str

    @property
    def schema(self) -> str:
        """The version of the layout."""
        return f"{self.instance}:schema"

    @property
    def log(self) -> str:
        """The event log."""
        return f"{self.instance}:log"

    @property
    def aside(self) -> str:
        """Events that nobody could decide on."""
        return f"{self.instance}:aside"

    @property
    def due(self) -> str:
        """Everything that has a time."""
        return f"{self.instance}:due"

    @property
    def count(self) -> str:
        """Counters shared by all processes."""
        return f"{self.instance}:count"

    def seen(self, source: str, event_id: str, generation: int = 0) -> str:
        """Remembers a delivery's signed id, or a replay of it."""
        return f"{self.instance}:seen:{source}:{event_id}" + (f"@{generation}" if generation else "")

    def copies(self, source: str, event_id: str, generation: int = 0) -> str:
        """Counts the deliveries of an event after the first."""
        return f"{self.instance}:copies:{source}:{event_id}" + (f"@{generation}" if generation else "")

    def event(self, entry: str) -> str:
        """Verdict and plan of the event at one log entry."""
        return f"{self.instance}:event:{entry}"

    def meaning(self, digest: str) -> str:
        """Remembers what an event said, whatever its id."""
        return f"{self.instance}:meaning:{digest}"

    def resource(self, api: str, kind: str, resource_id: str) -> str:
        """State of one resource."""
        return f"{self.instance}:resource:{api}:{kind}:{resource_id}"

    def alias(self, api: str, kind: str, name: str) -> str:
        """Finds a resource by name."""
        return f"{self.instance}:alias:{api}:{kind}:{name}"

    def live(self, api: str, kind: str) -> str:
        """Resources of a kind that have not ended, as far as the state table knows."""
        return f"{self.instance}:live:{api}:{kind}"

    def row(self, row: str) -> str:
        """One job of the ledger."""
        return f"{self.instance}:row:{row}"

    def run(self, run: str) -> str:
        """One run of a workflow."""
        return f"{self.instance}:run:{run}"

    @property
    def runs(self) -> str:
        """All runs, by when they began."""
        return f"{self.instance}:runs"

    def waits(self, api: str, kind: str, resource_id: str) -> str:
        """Rows that wait for a resource to change."""
        return f"{self.instance}:waits:{api}:{kind}:{resource_id}"

    def hears(self, api: str, event: str, about: str) -> str:
        """Rows that wait for an event of a type, about a resource by its id or name, or (empty) any."""
        return f"{self.instance}:hears:{api}:{event}:{about}"

    def told(self, api: str) -> str:
        """The last event of each type."""
        return f"{self.instance}:told:{api}"

    def probe(self, api: str, kind: str, resource_id: str) -> str:
        """Held by the row that looks at a resource for all that wait for it."""
        return f"{self.instance}:probe:{api}:{kind}:{resource_id}"

    def document(self, digest: str) -> str:
        """A workflow document."""
        return f"{self.instance}:document:{digest}"

    def revision(self, revision: str) -> str:
        """The texts of a revision of the configuration."""
        return f"{self.instance}:revision:{revision}"

    def text(self, digest: str) -> str:
        """A file of the configuration."""
        return f"{self.instance}:text:{digest}"

    def accepted(self, revision: str) -> str:
        """Says that far fewer rules are meant."""
        return f"{self.instance}:accepted:{revision}"

    def process(self, process: str) -> str:
        """What a process says of itself."""
        return f"{self.instance}:process:{process}"

    @property
    def processes(self) -> str:
        """All processes that live."""
        return f"{self.instance}:processes"

    @property
    def reconciled(self) -> str:
        """How far each API is reconciled."""
        return f"{self.instance}:reconciled"

    def reconciling(self, api: str) -> str:
        """Held by the process that reconciles an API."""
        return f"{self.instance}:reconciling:{api}"

    @property
    def heard(self) -> str:
        """When each source was last heard."""
        return f"{self.instance}:heard"

    @property
    def watches(self) -> str:
        """Everything that is long-polled."""
        return f"{self.instance}:watches"

    def watch(self, watch: str) -> str:
        """One long poll."""
        return f"{self.instance}:watch:{watch}"

    def finished(self, state: str) -> str:
        """Rows that ended in a state that a person looks at."""
        return f"{self.instance}:finished:{state}"

    def timer(self, timer: str) -> str:
        """A rule that waits."""
        return f"{self.instance}:timer:{timer}"

    def flow(self, flow: str) -> str:
        """The newest burst of a rule and key."""
        return f"{self.instance}:flow:{flow}"

    def times(self, control: str, flow: str) -> str:
        """When a control of a rule last counted, for one key."""
        return f"{self.instance}:times:{control}:{flow}"

    def gate(self, api: str) -> str:
        """Closed while it exists."""
        return f"{self.instance}:gate:{api}"

    @property
    def pauses(self) -> str:
        """What is paused."""
        return f"{self.instance}:pauses"

    def held(self, scope: str) -> str:
        """Rows that a pause holds."""
        return f"{self.instance}:held:{scope}"

    def budget(self, api: str) -> str:
        """Creates of this minute."""
        return f"{self.instance}:budget:{api}"

    def lock(self, lock: str) -> str:
        """Held by the row that creates a resource of this name."""
        return f"{self.instance}:lock:{lock}"
