"""The actions of commands. An action's module is imported where the action runs, usually in the server: `souche account
list` then takes a third of the CPU time."""

from typing import TYPE_CHECKING, Any

from souche.admin import catalogue

if TYPE_CHECKING:
    from souche.admin import access_keys as access_keys
    from souche.admin import account_deletion as account_deletion
    from souche.admin import accounts as accounts
    from souche.admin import buckets as buckets
    from souche.admin import consoles as consoles
    from souche.admin import exports as exports
    from souche.admin import image_aliases as image_aliases
    from souche.admin import image_lives as image_lives
    from souche.admin import image_origins as image_origins
    from souche.admin import image_reports as image_reports
    from souche.admin import images as images
    from souche.admin import inventory as inventory
    from souche.admin import keypairs as keypairs
    from souche.admin import marketplace as marketplace
    from souche.admin import notices as notices
    from souche.admin import publications as publications
    from souche.admin import quotas as quotas
    from souche.admin import status as status
    from souche.admin import trash as trash
    from souche.admin import uses as uses
else:

    def __getattr__(module: str) -> "_Module":
        if module in catalogue.MODULES:
            return _Module(module)
        raise AttributeError(module)


class _Module:
    """A module of actions, by its name."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, function: str) -> "_Named":
        return _Named(f"{self._name}.{function}")


class _Named:
    """An action, by its name."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        found = catalogue.find(self.name)
        if found is None:
            raise AttributeError(self.name)
        return found(*args, **kwargs)
