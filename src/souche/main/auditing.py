"""The place of a region's audit log, for its server and for the operator's commands."""

from pathlib import Path
from typing import Final

from souche.audit import AuditFile, AuditSyslog
from souche.audit_reader import AuditReader
from souche.config import BY_KEY, BadSetting, Settings
from souche.home import Facts, Home
from souche.room import MIB

SYSLOG: Final = "syslog"


def open_audit(settings: Settings) -> AuditFile | AuditSyslog | None:
    """The audit log of a process that answers requests; None: it is off.

    Raises:
        BadSetting: it cannot be written, or its rotation is not possible.
    """
    if settings.audit_log_mib <= 0 or settings.audit_log_files < 0:
        raise BadSetting(
            flag="--audit-log-mib, --audit-log-files", reason="more than 0, and at least 0, are expected"
        )
    try:
        return _open(settings.home, settings.audit_log, settings.audit_log_mib, settings.audit_log_files)
    except OSError as error:
        reason = f"{settings.audit_log} cannot be written ({error.strerror or error})"
        raise BadSetting(flag="--audit-log", reason=reason) from error


def facts(settings: Settings) -> dict[str, str | float | None]:
    """The facts about the audit log that the server records, so that commands write to the same."""
    return {
        "AuditLog": settings.audit_log,
        "AuditLogMib": settings.audit_log_mib,
        "AuditLogFiles": settings.audit_log_files,
    }


def reader_of(settings: Settings) -> AuditReader | None:
    """What reads the audit log; None: it is in no file."""
    if settings.audit_log in ("", SYSLOG):
        return None
    return AuditReader(settings.home / settings.audit_log, settings.audit_log_files)


def open_told(home: Home) -> AuditFile | AuditSyslog | None:
    """The audit log that the server recorded last, or the default.

    Raises:
        OSError: it cannot be written.
    """
    told: Facts = home.server_facts()
    log, mib, files = (_said(told, fact, key) for fact, key in FACTS.items())
    return _open(home.path, str(log), float(mib or 1), int(float(files or 0)))


FACTS: Final = {"AuditLog": "audit_log", "AuditLogMib": "audit_log_mib", "AuditLogFiles": "audit_log_files"}


def _said(told: Facts, fact: str, key: str) -> str | float | None:
    if fact in told:
        return told[fact]
    default: str | float = BY_KEY[key].default
    return default


def _open(home: Path, log: str, mib: float, files: int) -> AuditFile | AuditSyslog | None:
    if not log:
        return None
    return AuditSyslog() if log == SYSLOG else AuditFile(home / log, int(mib * MIB), files)
