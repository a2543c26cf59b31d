"""A DHCP client for tests, to be run inside a network namespace: asks, takes, and prints what it was given.

    dhcp_client.py INTERFACE MAC [CLIENT_ID]

Prints a line of JSON: {"ip": ..., "options": {"121": "<hex>", ...}}, or {} when nobody offers.
"""

import json
import socket
import struct
import sys

COOKIE = b"\x63\x82\x53\x63"
TRANSACTION = 0x50C4E
BROADCAST_FLAG = 0x8000
DISCOVER, REQUEST = 1, 3
WAIT_SECONDS = 3.0


def packet(mac: bytes, options: dict[int, bytes]) -> bytes:
    """A BOOTREQUEST (RFC 2131) with these options."""
    head = struct.pack("!BBBBIHH16x", 1, 1, 6, 0, TRANSACTION, 0, BROADCAST_FLAG) + mac.ljust(16, b"\0")
    body = b"".join(bytes([code, len(value)]) + value for code, value in options.items())
    return head.ljust(236, b"\0") + COOKIE + body + b"\xff"


def parse(data: bytes) -> tuple[str, dict[int, bytes]]:
    """The address offered, and the options."""
    options: dict[int, bytes] = {}
    at = 240
    while at < len(data) and data[at] != 0xFF:
        code, length = data[at], data[at + 1] if data[at] else -1
        options[code] = data[at + 2 : at + 2 + length]
        at += 2 + length
    return socket.inet_ntoa(data[16:20]), options


def ask(channel: socket.socket, mac: bytes, options: dict[int, bytes]) -> tuple[str, dict[int, bytes]] | None:
    channel.sendto(packet(mac, options | {55: bytes([1, 3, 12, 121])}), ("255.255.255.255", 67))
    try:
        return parse(channel.recv(2048))
    except TimeoutError:
        return None


def lease(interface: str, mac: bytes, identity: dict[int, bytes]) -> dict[str, object]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
        channel.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
        channel.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        channel.settimeout(WAIT_SECONDS)
        channel.bind(("", 68))
        offer = ask(channel, mac, {53: bytes([DISCOVER])} | identity)
        if offer is None:
            return {}
        ip, options = offer
        wanted = {53: bytes([REQUEST]), 50: socket.inet_aton(ip), 54: options[54]}
        answer = ask(channel, mac, wanted | identity)
        if answer is None:
            return {}
        ip, options = answer
    return {"ip": ip, "options": {code: value.hex() for code, value in options.items()}}


if __name__ == "__main__":
    interface, mac_text, *client_id = sys.argv[1:]
    identity = {61: client_id[0].encode()} if client_id else {}
    sys.stdout.write(json.dumps(lease(interface, bytes.fromhex(mac_text.replace(":", "")), identity)))
