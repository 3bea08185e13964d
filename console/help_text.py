"""How the commands' help reads: paragraphs whole, and first what a newcomer needs first."""

import inspect

import typer

FIRST = ("init", "check", "run", "up")


def group(what: str, example: str) -> typer.Typer:
    """Return an empty group of commands."""
    return typer.Typer(help=f"{what}\n\nExample: [bold]bellringer {example}[/bold]", no_args_is_help=True)


def arrange(app: typer.Typer) -> None:
    """Arrange the help of all commands, once all were added.

    Typer prints the line breaks of a docstring's later paragraphs as they stand in the source.
    """
    for command in app.registered_commands:
        if command.callback is not None:
            paragraphs = inspect.cleandoc(command.help or command.callback.__doc__ or "").split("\n\n")
            command.help = "\n\n".join(" ".join(each.split()) for each in paragraphs)
    for group in app.registered_groups:
        if group.typer_instance is not None:
            arrange(group.typer_instance)
    names = [*FIRST, *(_name(command) for command in app.registered_commands)]
    app.registered_commands.sort(key=lambda command: names.index(_name(command)))


def _name(command: "typer.models.CommandInfo") -> str:
    return str(command.name or getattr(command.callback, "__name__", ""))
