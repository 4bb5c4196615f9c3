"""`reactor acl`: least-privilege users for the Redis or Valkey server, one for each kind of process."""

import hashlib
import sys

import click

from reactor.queue import queue_keys
from reactor.settings import load_settings
from reactor.store.acl import ROLES, acl_line

EXAMPLES = """\b
Examples:
  reactor acl                                             every user, none of which can log in yet
  openssl rand -hex 32 | tee web.password | reactor acl --role web --password-stdin >> users.acl
  redis-server --aclfile users.acl                        then REACTOR_REDIS_URL=rediss://reactor-web:…@host
"""


@click.command(short_help="Print least-privilege users for Redis.", epilog=EXAMPLES)
@click.option("--role", type=click.Choice(list(ROLES)), help="Only this user.")
@click.option("--password-stdin", is_flag=True, help="Read the user's password, of which only the hash is printed.")
def acl(role: str | None, password_stdin: bool) -> None:
    """Print lines for the server's ACL file.

    Each user may do what one kind of process does with the keys of this REACTOR_INSTANCE, and nothing else: none may
    flush, configure, shut down or look at other keys. A user without a password can't log in.
    """
    if password_stdin and not role:
        raise click.UsageError("--password-stdin is for one --role")
    password = sys.stdin.readline().strip() if password_stdin else ""
    if password_stdin and len(password) < 16:
        raise click.UsageError("the password on standard input has fewer than 16 characters")
    instance = load_settings().instance
    hashed = hashlib.sha256(password.encode()).hexdigest() if password else ""
    for name in [role] if role else list(ROLES):
        click.echo(acl_line(ROLES[name], instance, queue_keys(instance), hashed))
