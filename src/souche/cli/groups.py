"""Kinds of groups: with a default command, and with commands imported on demand."""

from collections.abc import Callable, Mapping
from functools import cached_property, partial
from importlib import import_module
from typing import Any, ClassVar

import typer.main
from typer.core import TyperCommand, TyperGroup


class Group(TyperGroup):
    """A group whose flags are False by default. Those of Typer (`--help`) have None, and for None it imports
    pydantic."""

    def get_params(self, ctx: Any) -> list[Any]:
        params = super().get_params(ctx)
        for param in params:
            if getattr(param, "is_flag", False) and param.default is None:
                param.default = False
        return params


class DefaultGroup(Group):
    """`souche backup TO` is `souche backup make TO`, for any TO but the name of a command: of a folder with such a
    name, `./verify` is the way to speak. So the group's help has that of the default command in it."""

    default: ClassVar[str] = "make"

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args[:1] != ["--help"] and (not args or args[0] not in self.commands):
            args = [self.default, *args]
        return super().parse_args(ctx, args)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        super().format_help(ctx, formatter)
        default = self.commands[self.default]
        default.format_help(type(ctx)(default, info_name=self.default, parent=ctx), formatter)


class LazyCommand(TyperCommand):
    """The entry of a command or a group in a help page, and the function that imports it.

    Args:
        help: the text of the page, the same as the command's own (its first sentences).
        load: returns the Typer application of a group, or the function of a command.
    """

    def __init__(self, name: str, help: str, load: Callable[[], Any]) -> None:  # noqa: A002 (click's name)
        super().__init__(name, callback=None, help=help)
        self._load = load

    @cached_property
    def loaded(self) -> Any:
        """The command or group."""
        below = self._load()
        command: Any
        if isinstance(below, typer.Typer):
            if not isinstance(below.info.cls, type):  # Typer's place-holder for its default
                below.info.cls = Group
            command = typer.main.get_group(below)  # get_command would add --install-completion to each group
        else:
            single = typer.Typer(add_completion=False)
            single.command(self.name)(below)
            command = typer.main.get_command(single)
        command.name = self.name
        return command


class LazyGroup(Group):
    """Imports a command when it is named, and not for the list of all commands."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name, command, rest = super().resolve_command(ctx, args)
        return name, command.loaded if isinstance(command, LazyCommand) else command, rest


def lazy_group(commands: Mapping[str, tuple[str, str]], *given: object) -> type[LazyGroup]:
    """A group of commands by their names: where each is (`module:function`), called with `given`, and its help."""

    class Commands(LazyGroup):
        def __init__(self, **attrs: Any) -> None:
            super().__init__(**attrs)
            for name, (place, help_line) in commands.items():
                self.add_command(LazyCommand(name, help_line, partial(_made_by, place, given)))

    return Commands


def _made_by(place: str, given: tuple[object, ...]) -> Any:
    module, _, function = place.partition(":")
    return getattr(import_module(module), function)(*given)
