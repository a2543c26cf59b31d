"""CreateImage, ReadImages, UpdateImage, DeleteImage."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final, TypeAlias, cast

from souche.api import block_devices, permissions, tags
from souche.api.protocol import cached_pages, dates, filters, pages
from souche.api.protocol.dispatch import Call
from souche.api.protocol.words import WORDS
from souche.app import image_copies, image_imports, image_pages, images
from souche.app import tags as app_tags
from souche.app.image_copies import Copy
from souche.app.images import Change, FromSnapshots, FromVm, ImageSettings
from souche.model.images import Image
from souche.model.tags import Tag
from souche.value_refusals import IncompatibleParameters, MissingParameter

Request: TypeAlias = Mapping[str, Any]

# For the parameter that chooses the mode, the parameters it excludes (reference section 1, "Image-path outcomes").
_FORBIDDEN: Final[Mapping[str, Collection[str]]] = {
    "VmId": (
        "SourceImageId",
        "SourceRegionName",
        "BlockDeviceMappings",
        "Architecture",
        "RootDeviceName",
        "FileLocation",
    ),
    "SourceImageId": ("NoReboot", "BlockDeviceMappings", "Architecture", "RootDeviceName", "FileLocation"),
    "FileLocation": (
        "NoReboot",
        "SourceRegionName",
        "Architecture",
        "RootDeviceName",
        "BlockDeviceMappings",
    ),
    "BlockDeviceMappings": ("SourceRegionName",),  # not NoReboot: libcloud sends it with every request
}

# For a parameter without a mode, the parameter that is missing.
_INCOMPLETE: Final[Mapping[str, str]] = {
    "SourceRegionName": "SourceImageId",
    "RootDeviceName": "BlockDeviceMappings",
    "Architecture": "BlockDeviceMappings",
}


def create_image(call: Call) -> Mapping[str, object]:
    """Make an image; the parameters choose how: from a VM, by copy, from snapshots, or by a manifest."""
    request = cast("Request", call.request)
    mode = _mode(request)
    settings = _settings(request)
    if mode == "VmId":
        command = FromVm(settings, request["VmId"], no_reboot=request.get("NoReboot", False))
        image = images.create_from_vm(call.region, call.who, command)
    elif mode == "SourceImageId":
        image = image_copies.copy(call.region, call.who, _copy(settings, request))
    elif mode == "BlockDeviceMappings":
        image = images.create_from_snapshots(call.region, call.who, _from_snapshots(settings, request))
    else:
        wanted = image_imports.FromManifest(settings, request["FileLocation"])
        image = image_imports.create(call.region, call.who, wanted)
        return {"Image": view(image, app_tags.of_resource(call.region, image.image_id))}
    return {"Image": view(image, ())}


def _mode(request: Request) -> str:
    """The parameter that chooses the mode, if no conflicting one is present.

    Raises:
        MissingParameter, IncompatibleParameters.
    """
    mode = next((name for name in _FORBIDDEN if name in request), None)
    if mode is None:
        forgotten = next((_INCOMPLETE[name] for name in _INCOMPLETE if name in request), "VmId")
        raise MissingParameter(parameter=forgotten)
    for name in _FORBIDDEN[mode]:
        if name in request:
            raise IncompatibleParameters(reason=f"{mode} and {name} cannot be given at the same time")
    if mode == "VmId" and "ImageName" not in request:
        raise IncompatibleParameters(reason="VmId needs an ImageName")
    return mode


def _settings(request: Request) -> ImageSettings:
    return ImageSettings(
        name=request.get("ImageName"),
        description=request.get("Description"),
        boot_modes=tuple(request["BootModes"]) if request.get("BootModes") else None,
        product_codes=tuple(request["ProductCodes"]) if request.get("ProductCodes") else None,
        tpm_mandatory=request.get("TpmMandatory"),
    )


def _copy(settings: ImageSettings, request: Request) -> Copy:
    return Copy(settings, request["SourceImageId"], _required(request, "SourceRegionName"))


def _from_snapshots(settings: ImageSettings, request: Request) -> FromSnapshots:
    _required(request, "ImageName")
    return FromSnapshots(
        settings=settings,
        mappings=block_devices.requests(request["BlockDeviceMappings"]),
        root_device_name=_required(request, "RootDeviceName"),
        architecture=request.get("Architecture", "x86_64"),
    )


def _required(request: Request, parameter: str) -> str:
    if parameter not in request:
        raise MissingParameter(parameter=parameter)
    return cast("str", request[parameter])


def read_images(call: Call) -> Mapping[str, object]:
    """The images that the caller may launch."""
    request = cast("Request", call.request)
    query = pages.query(request, filters.conditions("ReadImages", request))
    with image_pages.open_page(call.region, call.who, query, call.time_limit) as page:
        return {"Images": cached_pages.shown(call, page, view), **pages.after(page.end)}


def update_image(call: Call) -> Mapping[str, object]:
    """Change description, product codes or permissions."""
    request = cast("Request", call.request)
    given = request.get("PermissionsToLaunch")
    if not {"Description", "ProductCodes", "PermissionsToLaunch"} & request.keys():
        raise MissingParameter(parameter="PermissionsToLaunch")
    change = Change(
        image_id=request["ImageId"],
        description=request.get("Description"),
        product_codes=tuple(request["ProductCodes"]) if "ProductCodes" in request else None,
        permissions=None if given is None else permissions.change("PermissionsToLaunch", given),
    )
    image = images.update(call.region, call.who, change)
    tagged = app_tags.of_resource(call.region, image.image_id)
    return {"Image": view(image, tagged)}


def delete_image(call: Call) -> Mapping[str, object]:
    """Delete an image; its snapshots stay."""
    images.delete(call.region, call.who, str(call.request["ImageId"]))
    return {}


def view(image: Image, tagged: Sequence[Tag]) -> dict[str, object]:
    """An image as the API shows it. AccountAlias is absent if the owner has no alias."""
    shown: dict[str, object] = {
        "ImageId": image.image_id,
        "ImageName": image.name,
        "Description": image.description,
        "AccountId": image.account_id,
        "Architecture": image.architecture,
        "BlockDeviceMappings": [block_devices.view(mapping) for mapping in image.mappings],
        "BootModes": list(image.boot_modes),
        "CreationDate": dates.shown(image.creation_date),
        "FileLocation": image.file_location,
        "ImageType": "machine",
        "PermissionsToLaunch": permissions.view(image.permissions),
        "ProductCodes": list(image.product_codes),
        "RootDeviceName": image.root_device_name,
        "RootDeviceType": "bsu",
        "SecureBoot": image.secure_boot,
        "State": image.state.value,
        "StateComment": {"StateMessage": WORDS.fill(image.state_message)} if image.state_message else {},
        "Tags": tags.resource_tags(tagged),
        "TpmMandatory": image.tpm_mandatory,
    }
    if image.account_alias:
        shown["AccountAlias"] = image.account_alias
    return shown
