"""The settings: their table, their values, and the sources of the values."""

from souche.config.settings import Settings
from souche.config.sources import NO_FILE, ConfigFile, Source, each_value, is_true, read_settings, source_of
from souche.config.table import BY_KEY, FILES, SETTINGS, Setting
from souche.config.values import BadSetting, check_url, host_and_port, letters_of

__all__ = [
    "BY_KEY",
    "FILES",
    "NO_FILE",
    "SETTINGS",
    "BadSetting",
    "ConfigFile",
    "Setting",
    "Settings",
    "Source",
    "check_url",
    "each_value",
    "host_and_port",
    "is_true",
    "letters_of",
    "read_settings",
    "source_of",
]
