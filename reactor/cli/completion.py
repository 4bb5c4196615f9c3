"""`reactor completion`: teaches a shell to complete our commands. The script itself is click's."""

import click
from click.shell_completion import get_completion_class

WHERE = """\b
Examples:
  eval "$(reactor completion bash)"       in ~/.bashrc
  eval "$(reactor completion zsh)"        in ~/.zshrc
  reactor completion fish > ~/.config/fish/completions/reactor.fish
"""


@click.command(short_help="Teach a shell to complete commands.", epilog=WHERE)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the script by which SHELL completes commands and options."""
    script = get_completion_class(shell)
    if script is None:
        raise click.UsageError(f"click can't complete for {shell}")
    click.echo(script(ctx.find_root().command, {}, "reactor", "_REACTOR_COMPLETE").source())
