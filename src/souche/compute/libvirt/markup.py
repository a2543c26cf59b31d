"""XML in and out."""

from xml.etree import ElementTree as ET


def parse(xml: str) -> ET.Element:
    """Parse XML of libvirt or of one of our builders."""
    return ET.fromstring(xml)  # noqa: S314  libvirt is root here already; its answers are not hostile


def text(element: ET.Element) -> str:
    """An element as libvirt takes it."""
    return ET.tostring(element, encoding="unicode")
