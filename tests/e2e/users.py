"""The users of `reactor acl` at a machine's server, and what it refused them."""

from typing import Any

from redis import Redis

from e2e.machine import Machine

PASSWORD = "correct-horse-battery"
ROLES = ("web", "dispatch", "work", "read")


def users_of(machine: Machine, admin: Redis) -> dict[str, str]:
    """Make each user from its printed line; returns its URL by its role."""
    urls = {}
    for role in ROLES:
        words = printed(machine, role)
        admin.execute_command("ACL", "SETUSER", *words[1:])
        urls[role] = machine.server.url.replace("unix://", f"unix://{words[1]}:{PASSWORD}@")
    admin.execute_command("ACL", "LOG", "RESET")
    return urls


def printed(machine: Machine, role: str) -> list[str]:
    """The words of the line that `reactor acl` prints for a role."""
    ended = machine.run("acl", "--role", role, "--password-stdin", stdin=f"{PASSWORD}\n")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert PASSWORD not in ended.stdout
    return ended.stdout.split()


def refused(admin: Redis) -> list[tuple[str, str]]:
    """What the server refused since the users were made: who, and what."""
    log: Any = admin.execute_command("ACL", "LOG")
    entries = [entry if isinstance(entry, dict) else dict(zip(entry[::2], entry[1::2], strict=True)) for entry in log]
    return [(_text(entry, "username"), _text(entry, "object")) for entry in entries]


def _text(entry: dict[Any, Any], name: str) -> str:
    value = entry.get(name, entry.get(name.encode()))
    return value.decode() if isinstance(value, bytes) else str(value)
