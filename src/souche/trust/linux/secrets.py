"""Secrets in files: private keys, credentials, shell histories."""

import re
from collections.abc import Iterator
from typing import Final, Protocol

from souche.model.image_reports import Finding, Severity
from souche.trust.codes import finding
from souche.trust.disks.tree import Node, Tree
from souche.trust.linux.keys import is_private_key, public_half
from souche.trust.linux.system import System, User

KEY_NAMES: Final = re.compile(
    r"(?:^id_|^identity$|\.(?:pem|key|p8|ppk|asc)$|_rsa$|_ed25519$|^private)", re.IGNORECASE
)
KEY_FOLDERS: Final = (
    "/etc/ssl/private",
    "/etc/pki/tls/private",
    "/etc/letsencrypt",
    "/etc/nginx",
    "/etc/apache2",
)
MORE_KEY_FOLDERS: Final = (
    "/etc/httpd",
    "/etc/ssl",
    "/etc/openvpn",
    "/etc/wireguard",
    "/etc/kubernetes/pki",
    "/srv",
)
OTHER_FOLDERS: Final = ("/opt", "/var/lib/cloud", "/usr/local/etc")
HOST_KEY: Final = re.compile(r"^/etc/(?:ssh|dropbear)/")
DEPTH: Final = 4
SMALL: Final = 64 * 1024

CREDENTIALS: Final = (
    (".osc/config.json", r"secret_key"),
    (".osc_sdk/config.json", r"secret_key"),
    (".osc/credentials", r"secret"),
    (".aws/credentials", r"aws_secret_access_key"),
    (".aws/config", r"aws_secret_access_key"),
    (".boto", r"secret"),
    (".s3cfg", r"secret_key\s*=\s*\S"),
    (".kube/config", r"token|client-key-data|password"),
    (".docker/config.json", r"\"auth\"\s*:\s*\"\S|identitytoken"),
    (".config/containers/auth.json", r"\"auth\"\s*:\s*\"\S"),
    (".netrc", r"password"),
    (".pgpass", r"\S"),
    (".my.cnf", r"password\s*="),
    (".git-credentials", r"\S"),
    (".config/git/credentials", r"\S"),
    (".npmrc", r"_authToken|_password"),
    (".pypirc", r"password"),
    (".vault-token", r"\S"),
    (".terraform.d/credentials.tfrc.json", r"token"),
    (".config/gcloud/application_default_credentials.json", r"\S"),
    (".config/gcloud/credentials.db", r"\S"),
    (".azure/accessTokens.json", r"\S"),
    (".azure/msal_token_cache.json", r"\S"),
    (".config/gh/hosts.yml", r"oauth_token"),
    (".config/rclone/rclone.conf", r"secret|token|pass"),
    (".config/openstack/clouds.yaml", r"password|secret"),
)
SYSTEM_CREDENTIALS: Final = (
    ("/etc/kubernetes/admin.conf", r"client-key-data|token"),
    ("/etc/rancher/k3s/k3s.yaml", r"client-key-data|token"),
    ("/etc/passwd-s3fs", r"\S"),
    ("/etc/boto.cfg", r"secret"),
    ("/etc/mysql/debian.cnf", r"password\s*=\s*\S"),
    ("/var/lib/jenkins/secrets/initialAdminPassword", r"\S"),
)
ENVIRONMENT_FILES: Final = (".bashrc", ".bash_profile", ".profile", ".zshrc", ".env", ".envrc", ".bash_login")
SYSTEM_ENVIRONMENT: Final = ("/etc/environment", "/etc/profile", "/etc/bash.bashrc")
VARIABLES: Final = re.compile(
    r"(?m)^[ \t]*(?:export[ \t]+)?[\"']?((?:OSC|AWS|OUTSCALE|OS|AZURE|GITHUB|GITLAB|DIGITALOCEAN|SCW|OVH|HCLOUD|VAULT"
    r"|TF_VAR)\w*(?:SECRET\w*|PASSWORD|TOKEN))[\"']?\s*[=:]\s*[\"']?[^\s\"'$]{8,}"
)
HISTORIES: Final = (
    ".bash_history", ".zsh_history", ".zhistory", ".history", ".sh_history", ".ash_history", ".python_history",
    ".mysql_history", ".psql_history", ".sqlite_history", ".rediscli_history", ".node_repl_history", ".lesshst",
    ".viminfo", ".local/share/fish/fish_history", ".wget-hsts",
)  # fmt: skip


class Homes(Protocol):
    """A system of any family: its files and its users' folders."""

    @property
    def tree(self) -> Tree: ...

    @property
    def homes(self) -> list[tuple[User, str]]: ...


def private_keys(system: Homes) -> Iterator[Finding]:
    """Private keys of users, of TLS servers, of GPG."""
    seen: set[str] = set()
    for user, home in system.homes:
        for node in _candidates(system, home):
            if node.path not in seen:
                seen.add(node.path)
                yield from _private_key(system, node, user.name)
    for folder in (*KEY_FOLDERS, *MORE_KEY_FOLDERS, *OTHER_FOLDERS):
        for node in _candidates(system, folder):
            if node.path not in seen:
                seen.add(node.path)
                yield from _private_key(system, node, None)


def _candidates(system: Homes, folder: str) -> Iterator[Node]:
    for found in system.tree.walk(folder, DEPTH):
        parent, _, name = found.path.rpartition("/")
        secret_folder = parent.endswith(("/.ssh", "/private", "/private-keys-v1.d"))
        if (secret_folder or KEY_NAMES.search(name)) and not name.endswith(".pub"):
            node = system.tree.node(found.path) if found.entry.kind == "link" else found
            if node and node.is_file and 0 < node.entry.size <= SMALL:
                yield node


def _private_key(system: Homes, node: Node, user: str | None) -> Iterator[Finding]:
    if HOST_KEY.match(node.path):
        return
    content = system.tree.content(node, SMALL) or b""
    gpg = "/private-keys-v1.d/" in node.path and b"private-key" in content
    if is_private_key(content) or gpg:
        text = "A private key: every user of the image has it."
        yield finding("private-key", node.path, text, fingerprint=public_half(content), user=user)


def credentials(system: Homes) -> Iterator[Finding]:
    """Credentials of clouds, registries and databases, in the files where their tools keep them."""
    for user, home in system.homes:
        for name, pattern in CREDENTIALS:
            yield from _credentials(system, f"{home}/{name}", pattern, user.name)
        for name in ENVIRONMENT_FILES:
            yield from _variables(system, f"{home}/{name}", user.name)
    for path, pattern in SYSTEM_CREDENTIALS:
        yield from _credentials(system, path, pattern, None)
    more = [
        node.path for folder in ("/etc/profile.d", "/etc/default") for node in system.tree.children(folder)
    ]
    for path in (*SYSTEM_ENVIRONMENT, *more):
        yield from _variables(system, path, None)


def _credentials(system: Homes, path: str, pattern: str, user: str | None) -> Iterator[Finding]:
    if re.search(pattern, system.tree.text(path, SMALL)):
        text = "Credentials: every user of the image can use them."
        yield finding("cloud-credentials", path, text, user=user)


def _variables(system: Homes, path: str, user: str | None) -> Iterator[Finding]:
    found = VARIABLES.search(system.tree.text(path, SMALL))
    if found:
        text = f"The variable {found[1]} is set: every user of the image can use it."
        yield finding("cloud-credentials", path, text, user=user)


def histories(system: System) -> Iterator[Finding]:
    """Commands that users have typed, which may contain passwords."""
    for user, home in system.homes:
        for name in HISTORIES:
            node = system.tree.node(f"{home}/{name}")
            if node and node.is_file and node.entry.size:
                severity = None if name.endswith("history") else Severity.LOW
                text = f"A history of '{user.name}', of {node.entry.size} bytes."
                yield finding("shell-history", node.path, text, severity=severity, user=user.name)
