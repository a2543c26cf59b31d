"""What a report refuses: publication, and sharing where the region wishes so (docs/trust.md)."""

from dataclasses import replace

import pytest

from souche.app import accounts, image_reports, images, marketplace
from souche.app.context.region import Region, ShareGate
from souche.app.images import Change
from souche.app.marketplace import Publication
from souche.app.permissions import PermissionsChange
from souche.model.accounts import Principal
from souche.refusals import FindingsRefuse, ReportMissing
from souche.trust.codes import finding
from souche.value_refusals import BadValue
from tests.support.resources import make_image, make_product_type, make_reported_image

KEY = finding("authorized-key", "/root/.ssh/authorized_keys", "A key.")
LOGS = finding("logs", "/var/log", "Logs.")
WINDOWS = finding("windows-not-generalised", "/Windows", "Not generalised.")
OTHER = "123456789012"


def publish(region: Region, who: Principal, image_id: str, *accepted: str) -> str:
    vendor = accounts.get(region, who)
    assert vendor is not None
    product = make_product_type(region, who).product_type_id
    return marketplace.publish(region, Publication(vendor, image_id, product, accepted=accepted)).image_id


def share(region: Region, who: Principal, image_id: str, change: PermissionsChange) -> None:
    images.update(region, who, Change(image_id, permissions=change))


def test_a_version_has_the_report_of_its_source(region: Region, alice: Principal) -> None:
    source = make_reported_image(region, alice, findings=[LOGS])
    made = image_reports.of_image(region, publish(region, alice, source.image_id))
    assert made is not None
    assert (made.is_complete, made.findings, made.accepted) == (True, (LOGS,), ())


def test_a_finding_of_severity_high_refuses_a_version_unless_it_is_accepted(
    region: Region, alice: Principal
) -> None:
    source = make_reported_image(region, alice, findings=[KEY, LOGS])
    with pytest.raises(FindingsRefuse, match="authorized-key"):
        publish(region, alice, source.image_id)
    with pytest.raises(FindingsRefuse):
        publish(region, alice, source.image_id, "host-key")
    made = image_reports.of_image(region, publish(region, alice, source.image_id, "authorized-key"))
    assert made is not None
    assert made.accepted == ("authorized-key",)


def test_what_nobody_looked_into_is_not_published(region: Region, alice: Principal) -> None:
    with pytest.raises(ReportMissing):
        publish(region, alice, make_image(region, alice).image_id)


def test_a_windows_without_sysprep_is_never_published(region: Region, alice: Principal) -> None:
    source = make_reported_image(region, alice, findings=[WINDOWS])
    with pytest.raises(FindingsRefuse):
        publish(region, alice, source.image_id)
    with pytest.raises(BadValue, match="cannot be published"):
        publish(region, alice, source.image_id, "windows-not-generalised")
    with pytest.raises(BadValue, match="no code"):
        publish(region, alice, source.image_id, "anything")


PUBLIC = PermissionsChange(removal=False, account_ids=(), everybody=True)
ACCOUNT = PermissionsChange(removal=False, account_ids=(OTHER,), everybody=False)


@pytest.mark.parametrize(
    ("gate", "change", "refused"),
    [
        ("off", PUBLIC, False),
        ("off", ACCOUNT, False),
        ("public", PUBLIC, True),
        ("public", ACCOUNT, False),
        ("all", PUBLIC, True),
        ("all", ACCOUNT, True),
        ("all", PermissionsChange(removal=True, account_ids=(OTHER,), everybody=True), False),
    ],
)
def test_sharing_is_refused_as_the_region_wishes(
    region: Region, alice: Principal, gate: ShareGate, change: PermissionsChange, *, refused: bool
) -> None:
    gated = replace(region, share_gate=gate)
    bad, unknown = make_reported_image(region, alice, "bad", [KEY]), make_image(region, alice, "unknown")
    share(gated, alice, make_reported_image(region, alice, "good", [LOGS]).image_id, change)
    if not refused:
        share(gated, alice, bad.image_id, change)
        share(gated, alice, unknown.image_id, change)
        return
    with pytest.raises(FindingsRefuse, match=r"shared.*authorized-key"):
        share(gated, alice, bad.image_id, change)
    with pytest.raises(ReportMissing, match="shared"):
        share(gated, alice, unknown.image_id, change)
