"""Parses and prints XML."""

from xml.etree import ElementTree as ET


def parse(xml: str) -> ET.Element:
    """Parse XML from libvirt or from one of Souche's builders."""
    return ET.fromstring(xml)  # noqa: S314  libvirt is root here already; its answers are not hostile


def text(element: ET.Element) -> str:
    """The text of an element, for libvirt."""
    return ET.tostring(element, encoding="unicode")
