"""Makes the reports of new images, and requested ones, one at a time."""

from souche.db import image_reports
from souche.workflows import examinations
from souche.workflows.parts import Parts


def make(parts: Parts) -> None:
    """Make every pending report, in turn."""
    while True:
        with parts.store.read() as connection:
            wanted = image_reports.next_image(connection)
        if wanted is None:
            return
        image_id, other = wanted
        examinations.report_on(parts, image_id, other=other)
