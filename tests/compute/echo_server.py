"""A server for tests, to be run inside a network namespace: says the port that it was asked at.

    echo_server.py TCP_PORT TCP_PORT UDP_PORT

Prints a line when it listens.
"""

import selectors
import socket
import sys


def listening(kind: socket.SocketKind, port: int) -> socket.socket:
    made = socket.socket(socket.AF_INET, kind)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind(("", port))
    if kind is socket.SOCK_STREAM:
        made.listen()
    return made


def answer(asked: socket.socket) -> None:
    port = str(asked.getsockname()[1]).encode()
    if asked.type is socket.SOCK_STREAM:
        with asked.accept()[0] as client:
            client.sendall(port)
    else:
        asked.sendto(port, asked.recvfrom(99)[1])


if __name__ == "__main__":
    *streams, datagrams = map(int, sys.argv[1:])
    waiting = selectors.DefaultSelector()
    for stream in streams:
        waiting.register(listening(socket.SOCK_STREAM, stream), selectors.EVENT_READ)
    waiting.register(listening(socket.SOCK_DGRAM, datagrams), selectors.EVENT_READ)
    sys.stdout.write("listening\n")
    sys.stdout.flush()
    while True:
        for key, _ in waiting.select():
            answer(key.fileobj)  # type: ignore[arg-type]  # sockets alone are registered
