"""Groups of commands with one that needs not be named."""

from typing import Any, ClassVar

from typer.core import TyperGroup


class DefaultGroup(TyperGroup):
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
