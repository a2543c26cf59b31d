"""HTTP as uvicorn reads it, with an end to what comes before the body: by httptools it takes headers of any length."""

from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_LIMIT: Final = 64 * 1024
"""That of others: it is uvicorn's by h11, and eight times nginx's."""


class BoundedHttp(HttpToolsProtocol):
    """Refuses a request whose first line and headers are longer than `HEAD_LIMIT` and what the system read at once."""

    _in_head = True
    _head_bytes = 0

    def data_received(self, data: bytes) -> None:
        if self._in_head:
            self._head_bytes += len(data)
        super().data_received(data)
        if self._in_head and self._head_bytes > HEAD_LIMIT and not self.transport.is_closing():
            self.send_400_response("The head of the request is too long.")

    def on_headers_complete(self) -> None:
        self._in_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._in_head, self._head_bytes = True, 0
