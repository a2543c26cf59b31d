"""The XML that requests on buckets bring, as far as the door reads it: by expat, without any document type, so that
nothing in it expands."""

from collections.abc import Iterator
from typing import Final
from xml.etree import ElementTree
from xml.etree.ElementTree import Element
from xml.parsers import expat

from souche.http.s3.answers import Refused

OWN_FULL_CONTROL: Final = "FULL_CONTROL"


def keys_to_delete(body: bytes) -> list[str]:
    """The keys of a DeleteObjects."""
    return [each.text or "" for each in _parse(body).iter() if _name(each) == "Key"]


def is_private(body: bytes, owner: str) -> bool:
    """Whether an AccessControlPolicy admits only the owner; an empty body is no policy."""
    if not body.strip():
        return True
    grants = [each for each in _parse(body).iter() if _name(each) == "Grant"]
    return all(_texts(each) >= {owner, OWN_FULL_CONTROL} for each in grants)


def object_ownership(body: bytes) -> list[str]:
    """What OwnershipControls ask for."""
    return [(each.text or "").strip() for each in _parse(body).iter() if _name(each) == "ObjectOwnership"]


def _texts(element: Element) -> set[str]:
    return {(each.text or "").strip() for each in element.iter()}


def _name(element: Element) -> str:
    return element.tag.rpartition("}")[2]


def _parse(body: bytes) -> Element:
    try:
        text = body.decode()
        _check(text)
        return ElementTree.fromstring(text)  # noqa: S314 (no document type: see _check)
    except (ValueError, expat.ExpatError, ElementTree.ParseError) as error:
        raise Refused("MalformedXML", "The XML is not well-formed.") from error


def _check(text: str) -> None:
    def refuse(*_: object) -> Iterator[None]:
        raise ValueError("a document type")

    parser = expat.ParserCreate("utf-8")
    parser.StartDoctypeDeclHandler = refuse
    parser.Parse(text.encode(), True)  # noqa: FBT003 (expat's own)
