"""Writes the manual pages, souche(1) and one for each command, from the parser of the command line, the table of
settings and docs/operating.md: `python -m tools.gen_man FOLDER`.

`make dist` packs them. They are not committed. Their form follows man-pages(7).
"""

import os
import re
import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import typer.main

from souche import __version__
from souche.cli import commands
from souche.cli.image_update import UNDER_WAY
from souche.config import SETTINGS
from souche.main import command_line

ROOT: Final = Path(__file__).resolve().parent.parent
STATUSES: Final = {
    "0": "Success.",
    "1": "The command failed. Its last line on standard error is the reason.",
    "2": "The command line is wrong.",
    "128 + N": "Signal N ended the command, as 130 for SIGINT (Ctrl-C). `souche serve` ends with 0 then.",
}
MORE_STATUSES: Final = {  # by command: its additional statuses
    "up": {"COMMAND": "With a command: its status."},
    "image": {str(UNDER_WAY): "`update`: another update of this region is running. Nothing was done."},
}
RELATED: Final = {  # by command, if not only souche-serve
    "serve": ("api", "config", "doctor"),
    "backup": ("restore",),
    "restore": ("backup", "serve"),
    "export": ("import",),
    "import": ("export",),
}
DOCUMENTATION: Final = "Debian's package has the pages of docs/ in `/usr/share/doc/souche/docs`."
CONFIGURATION: Final = "/etc/souche/souche.toml"
CONFIGURATION_USE: Final = "The settings of the service in Debian's package. Other commands do not read it."

# typer includes click, without a public name.
Command = Any
Context = Any


def pages() -> dict[str, str]:
    """The pages, by the names of their files."""
    root = typer.main.get_command(commands.build(command_line.composition()))
    top = root.make_context("souche", [], resilient_parsing=True)
    below = {name: getattr(each, "loaded", each) for name, each in root.commands.items()}  # type: ignore[attr-defined]
    made = {"souche.1": _program_page(root, top, below)}
    for name, command in below.items():
        made[f"souche-{name}.1"] = _command_page(name, command, _context(command, top))
    return made


def _context(command: Command, parent: Context) -> Context:
    return type(parent)(command, info_name=command.name, parent=parent)


def _program_page(root: Command, context: Context, below: dict[str, Command]) -> str:
    readme = (ROOT / "README.md").read_text()
    paragraph = readme.partition("\nSouche (French")[2].partition("\n\n")[0]
    return _page(
        "souche",
        "a self-hosted region for OUTSCALE machine images",
        _section("SYNOPSIS", ".B souche", *_usage(root, context)),
        _section("DESCRIPTION", _prose("Souche (French" + paragraph)),
        _section(
            "COMMANDS",
            *(_item(_reference(name), _prose(commands.COMMANDS[name][1])) for name in below),
        ),
        _section("OPTIONS", *_options(root, context)),
        _exit_status({}),
        _section(
            "FILES",
            _item(_bold(CONFIGURATION), _prose(CONFIGURATION_USE)),
            ".PP\nIn the home folder of a region, which \\fB\\-\\-home\\fP names:",
            *(_item(_bold(path), _prose(content)) for path, content in _home_files()),
        ),
        _section(
            "ENVIRONMENT",
            *(_item(_bold(name), text) for name, text in _all_variables(below, context)),
        ),
        _section("SEE ALSO", _references(below), f".PP\n{_prose(DOCUMENTATION)}"),
    )


def _command_page(name: str, command: Command, context: Context) -> str:
    subcommands = list(_tree(command, context))
    variables = dict(_variables([(command, context), *subcommands]))
    return _page(
        f"souche-{name}",
        commands.COMMANDS[name][1].rstrip("."),
        _section("SYNOPSIS", *_synopsis(command, context, subcommands)),
        _section("DESCRIPTION", *map(_prose, _paragraphs(command.help))),
        _section(
            "COMMANDS",
            *(part for each, inner in subcommands for part in _subcommand(each, inner)),
        )
        if subcommands
        else "",
        _section("OPTIONS", *_options(command, context)),
        _exit_status(MORE_STATUSES.get(name, {})),
        _section("FILES", *_files(name)),
        _section("ENVIRONMENT", *(_item(_bold(each), text) for each, text in variables.items()))
        if variables
        else _section("ENVIRONMENT", "No option has a variable."),
        _section("SEE ALSO", _references(["", *RELATED.get(name, ("serve",))])),
    )


def _tree(command: Command, context: Context) -> Iterator[tuple[Command, Context]]:
    """The commands of a group, including those of its subgroups."""
    for each in getattr(command, "commands", {}).values():
        inner = _context(each, context)
        if not each.hidden:
            yield each, inner
            yield from _tree(each, inner)


def _synopsis(
    command: Command, context: Context, subcommands: list[tuple[Command, Context]]
) -> Iterator[str]:
    lines = subcommands or [(command, context)]
    for number, (each, inner) in enumerate(lines):
        if number:
            yield ".br"
        yield f".B {_escaped(inner.command_path)}"
        yield from _usage(each, inner)


def _usage(command: Command, context: Context) -> Iterator[str]:
    yield from (f"\\fI{_escaped(piece)}\\fP" for piece in command.collect_usage_pieces(context))


def _subcommand(command: Command, context: Context) -> Iterator[str]:
    yield f'.SS "{_escaped(context.command_path)}"'
    yield from (_prose(each) for each in _paragraphs(command.help))
    yield from _options(command, context)


def _options(command: Command, context: Context) -> Iterator[str]:
    """Arguments and options, as `--help` shows them."""
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record:
            yield _item(_bold(record[0]), _prose(record[1]))


def _exit_status(more: dict[str, str]) -> str:
    return _section(
        "EXIT STATUS", *(_item(_bold(status), _prose(text)) for status, text in (STATUSES | more).items())
    )


def _files(name: str) -> Iterator[str]:
    if name in ("serve", "api", "config"):
        yield _item(_bold(CONFIGURATION), _prose(CONFIGURATION_USE))
    yield ".PP\n.BR souche (1)\nlists the files of a region\\(aqs home folder."


def _home_files() -> Iterator[tuple[str, str]]:
    """The rows of the table in docs/operating.md."""
    section = (
        (ROOT / "docs/operating.md").read_text().partition("## The home folder")[2].partition("\n## ")[0]
    )
    for path, content in re.findall(r"^\| (`.+?) \| (.+) \|$", section, re.MULTILINE):
        yield path.replace("`", ""), content


def _variables(of: list[tuple[Command, Context]]) -> Iterator[tuple[str, str]]:
    """The environment variables that commands read for options, each with its option."""
    settings = {each.flag: each.variable for each in SETTINGS} | {"--config": "SOUCHE_CONFIG"}
    for command, context in of:
        for parameter in command.get_params(context):
            option = parameter.opts[0]
            told = parameter.envvar or (settings.get(option) if "[env: " in (parameter.help or "") else None)
            if told:
                yield told, f"Value of {_bold(option)} where that is not given."


def _all_variables(below: dict[str, Command], top: Context) -> Iterator[tuple[str, str]]:
    """The variables of all commands, each with the commands that read it."""
    readers: dict[str, list[str]] = {}
    for name, command in below.items():
        context = _context(command, top)
        for variable in dict(_variables([(command, context), *_tree(command, context)])):
            readers.setdefault(variable, []).append(name)
    for variable, names in sorted(readers.items()):
        yield variable, "Every command reads it." if len(names) == len(below) else _references(names)


def _page(name: str, purpose: str, *sections: str) -> str:
    made = datetime.fromtimestamp(int(os.environ.get("SOURCE_DATE_EPOCH", "0")) or _now(), UTC)
    head = [
        f'.\\" Made by tools/gen_man.py.\n.TH {name.upper()} 1 "{made:%Y-%m-%d}" "souche {__version__}"',
        ".nh",  # no hyphenation: keeps long paths and options whole
        ".ad l",
        _section("NAME", f"{_escaped(name)} \\- {_escaped(purpose)}"),
    ]
    return "\n".join([*head, *filter(None, sections)]) + "\n"


def _now() -> float:
    return datetime.now(UTC).timestamp()


def _section(title: str, *parts: str) -> str:
    return "\n".join([f".SH {title}", *parts])


def _item(tag: str, text: str) -> str:
    return f".TP\n{tag}\n{text}"


def _references(names: Iterable[str]) -> str:
    listed = list(names)
    return "\n".join([*(f"{_reference(each)}," for each in listed[:-1]), _reference(listed[-1])])


def _reference(name: str) -> str:
    """The page of a command, or of the program if the name is empty."""
    return f".BR {_escaped(f'souche-{name}' if name else 'souche')} (1)"


def _bold(text: str) -> str:
    return f"\\fB{_escaped(text)}\\fP"


def _paragraphs(text: str) -> list[str]:
    return re.split(r"\n\s*\n", text.strip())


def _prose(text: str) -> str:
    """A paragraph of a docstring or of Markdown."""
    plain = re.sub(r"\[([^]]+)\]\([^)]+\)", r"\1", " ".join(text.split()))
    parts = re.split(r"`([^`]+)`|\*\*([^*]+)\*\*", plain)
    shown = [_escaped(parts[0])]
    for code, bold, after in zip(parts[1::3], parts[2::3], parts[3::3], strict=True):
        shown += [_bold(code or bold), _escaped(after)]
    return _safe("".join(shown))


def _safe(line: str) -> str:
    """Protect a line that begins with a dot or a quote, which would be a request."""
    return f"\\&{line}" if line.startswith((".", "'")) else line


def _escaped(text: str) -> str:
    """Escape the characters that groff would interpret or replace."""
    special = {"\\": "\\e", "-": "\\-", "'": "\\(aq", "`": "\\(ga", "^": "\\(ha", "~": "\\(ti", '"': "\\(dq"}
    return "".join(special.get(each, each) for each in text)


def main() -> int:
    """Write the pages into the folder given on the command line."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (folder / name).write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
