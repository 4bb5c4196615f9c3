"""What each kind of process may do at the server: least-privilege users for the ACL file of Redis or Valkey. No I/O.

Owns which commands and which kinds of key a role needs. A test runs the processes under these users.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

CONNECT = "hello auth ping select reset info time client"
"""What a client does before it does anything."""

NOT_CLIENT = "kill list pause unpause unblock reply no-evict tracking caching getredir"
"""Subcommands of `client` that concern others. They are taken away one by one, as Redis 7.0 does not know what 7.2 adds."""

CHECK = "config|get"
"""How a process checks that the server keeps what it accepts. Without it: REACTOR_REDIS_DURABILITY=declared."""

READ = """
    get mget exists type ttl pttl strlen hget hmget hgetall hexists hlen llen lrange lpos scard smembers sismember
    zcard zcount zscore zmscore zrange zrank zrangebyscore zrevrange zrevrangebyscore xlen xrange xrevrange xpending
    xinfo|groups xinfo|consumers xinfo|stream scan multi exec discard
"""

SCRIPTS = "evalsha script|load script|exists"
"""Scripts may do what their caller may do, and no more."""

WRITE = """
    set del unlink expire expireat pexpire persist incr incrby decr hset hsetnx hdel hincrby sadd srem spop zadd zrem
    zremrangebyscore zremrangebyrank zincrby xgroup|create
"""

APPEND = "xadd"
"""Who receives, looks, listens, emits or replays makes events."""

RETAKE = "xclaim"
"""How an event that was set aside is given to the dispatchers again."""

LOG = "xreadgroup xclaim xack xtrim xdel xgroup|delconsumer"
QUEUE = "lpush rpush lpop lrem blmove watch unwatch"


@dataclass(frozen=True, slots=True)
class Role:
    """A user: its commands, and the kinds of key it writes (`*`: all of the instance). It may read the whole instance."""

    name: str
    what: str
    commands: Sequence[str]
    writes: Sequence[str] = ()
    queue: str = ""
    """`R`: it may look at RQ's keys. `RW`: it may write them."""


WORKERS = "rq:worker:*"
"""Where RQ keeps its workers. Whoever asks whether a queue has one may read them, also stock ones; ours have a prefix."""

WEB_WRITES = ("schema", "log", "seen", "copies", "heard", "process", "processes", "revision", "text")

ACTING = (CHECK, READ, SCRIPTS, WRITE)

ROLES: Mapping[str, Role] = {
    role.name: role
    for role in (
        Role("web", "reactor serve --no-dispatch", (*ACTING, APPEND), WEB_WRITES, "R"),
        Role("dispatch", "reactor dispatch, reactor serve", (*ACTING, APPEND, LOG, QUEUE), ("*",), "RW"),
        Role("work", "reactor work", (*ACTING, APPEND, RETAKE, QUEUE), ("*",), "RW"),
        Role("read", "people and programs that look", (READ,), (), "R"),
    )
}


def acl_line(role: Role, instance: str, queue_keys: Sequence[str], password_hash: str = "") -> str:
    """One line of an ACL file. Without the SHA-256 of a password, in hex, the user is there and can't log in."""
    keys = [f"%R~{instance}:*"]
    for kind in role.writes:
        keys += [f"~{instance}:*"] if kind == "*" else [f"~{instance}:{kind}", f"~{instance}:{kind}:*"]
    if role.queue:
        keys += [("%R~" if role.queue == "R" else "~") + key for key in queue_keys]
        keys.append(f"%R~{WORKERS}")
    commands = dict.fromkeys(f"+{command}" for command in " ".join((CONNECT, *role.commands)).split())
    secret = ["on", f"#{password_hash}"] if password_hash else ["off"]
    return " ".join(
        [
            "user",
            f"{instance}-{role.name}",
            "reset",
            *secret,
            *keys,
            "-@all",
            *commands,
            *(f"-client|{word}" for word in NOT_CLIENT.split()),
        ]
    )
