"""souche image"""

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Protocol

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from souche.app import official_images
from souche.app.official_images import DiskImage
from souche.cli.composition import Administered, Composition
from souche.cli.flags import HomeFlag, JsonFlag
from souche.cli.output import show, told
from souche.errors import Invalid, SystemFailure
from souche.model.images import BootMode, Image
from souche.recipes import debian_12
from souche.states import ImageState


class UnknownRecipe(Invalid):
    """There is no recipe '{name}'. Recipes: {known}."""


class ImageFailed(SystemFailure):
    """The image {image_id} failed: {reason}"""


class Build(Protocol):
    """Writes a disk file, telling what it does and how far it is (0 to 1)."""

    def __call__(self, output: Path, *, work_dir: Path, progress: Callable[[str, float], None]) -> None: ...


@dataclass(frozen=True)
class Recipe:
    """How an official image is built, and what it is then."""

    build: Build
    family: str
    description: str
    size_gib: int
    boot_modes: tuple[BootMode, ...]


RECIPES: Mapping[str, Recipe] = {
    "debian-12": Recipe(
        build=debian_12.build,
        family="Debian-12",
        description="Debian 12 (bookworm), minimal, with cloud-init; log in as outscale",
        size_gib=debian_12.DISK_GIB,
        boot_modes=("legacy", "uefi"),
    ),
}


def build(composition: Composition) -> typer.Typer:
    """The commands about official images."""
    app = typer.Typer(help="Official images of the region.", no_args_is_help=True)

    @app.command("build")
    def build_image(
        recipe: Annotated[str, typer.Argument(help=f"One of: {', '.join(RECIPES)}.")],
        home: HomeFlag,
        json: JsonFlag = False,
    ) -> None:
        """Build an official image and publish it, under a new id and name. Progress goes to standard error."""
        with told(), composition.administer(home) as administered, _bar() as progress:
            image = _build_and_publish(administered, _recipe(recipe), progress)
        show({"ImageId": image.image_id, "ImageName": image.name}, as_json=json)

    return app


def _recipe(name: str) -> Recipe:
    if name not in RECIPES:
        raise UnknownRecipe(name=name, known=", ".join(RECIPES))
    return RECIPES[name]


def _build_and_publish(
    administered: Administered, recipe: Recipe, progress: Callable[[str, float], None]
) -> Image:
    region = administered.region
    with tempfile.TemporaryDirectory(dir=administered.staging) as folder:
        Path(folder).chmod(0o711)  # apt fetches packages as a user of its own
        disk = Path(folder) / "disk.qcow2"
        recipe.build(disk, work_dir=Path(folder) / "work", progress=progress)
        progress("taking the disk in", 1.0)
        staged = disk.rename(administered.staging / f"{Path(folder).name}.qcow2")
    image = official_images.publish(
        region,
        DiskImage(
            path=staged,
            format="qcow2",
            size_gib=recipe.size_gib,
            family=recipe.family,
            description=recipe.description,
            boot_modes=recipe.boot_modes,
        ),
    )
    administered.finish(official_images.operation_id(image))
    return _checked(official_images.get(region, image))


def _checked(image: Image) -> Image:
    if image.state != ImageState.AVAILABLE:
        raise ImageFailed(image_id=image.image_id, reason=image.state_message or image.state)
    return image


@contextmanager
def _bar() -> Iterator[Callable[[str, float], None]]:
    """A progress bar on standard error; where nobody watches, a line for each new thing."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _lines(console)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("starting", total=1.0)
        yield lambda what, done: bar.update(task, description=what, completed=done)


def _lines(console: Console) -> Callable[[str, float], None]:
    last = ""

    def line(what: str, done: float) -> None:
        nonlocal last
        if what != last:
            console.print(f"{done:4.0%}  {what}", highlight=False)
        last = what

    return line
