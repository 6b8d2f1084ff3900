"""A ZEO client of one socket that decides itself what it sends, and sees what comes in which order.

Messages are 4-tuples (id, flag, name, args), as everywhere in ZEO.
"""

import socket
import struct

from ZEO.asyncio.marshal import decoder, encoder
from ZODB.utils import maxtid, p64, u64, z64

RECEIVE_LIMIT_S = 20


class Closed(Exception):
    """The server closed the connection."""


class RawClient:
    """Connected and greeted; `register` makes it one that may ask. Without `waits` it is only
    connected."""

    def __init__(self, address, encoding=None, register=True, storage="1", read_only=False,
                 waits=True):
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        self.socket = socket.socket(family)
        self.socket.settimeout(RECEIVE_LIMIT_S)
        self.socket.connect(address)
        self.received = []  # one-way messages and replies that nobody asked for yet, in order
        self.last_id = 0
        if not waits:
            return
        self.announced = self.receive_bytes()
        self.protocol = encoding or self.announced
        self.encode = encoder(self.protocol)
        self.decode = decoder(self.protocol)
        if register:
            self.send_bytes(self.protocol)
            self.tid = self.call("register", storage, read_only)

    def close(self):
        self.socket.close()

    # ---- bytes ---------------------------------------------------------------------------------

    def send_bytes(self, *payloads):
        self.socket.sendall(b"".join(struct.pack(">I", len(p)) + p for p in payloads))

    def receive_bytes(self):
        length = struct.unpack(">I", self._exactly(4))[0]
        return self._exactly(length)

    def _exactly(self, count):
        data = b""
        while len(data) < count:
            try:
                part = self.socket.recv(min(count - len(data), 1 << 20))
            except ConnectionError:
                raise Closed from None
            if not part:
                raise Closed
            data += part
        return data

    # ---- messages --------------------------------------------------------------------------------

    def message(self, name, *args, one_way=False, message_id=None):
        if message_id is None:
            self.last_id += 0 if one_way else 1
            message_id = 0 if one_way else self.last_id
        return self.encode(message_id, one_way, name, args)

    def send(self, name, *args):
        """A call; returns its id."""
        self.send_bytes(self.message(name, *args))
        return self.last_id

    def tell(self, name, *args):
        self.send_bytes(self.message(name, *args, one_way=True))

    def receive(self):
        """The next message."""
        if self.received:
            return self.received.pop(0)
        return self.decode(self.receive_bytes())

    def reply(self, message_id):
        """Waits for this reply; what comes before it stays in `received`."""
        earlier = []
        while True:
            message = self.receive()
            if message[2] == ".reply" and message[0] == message_id:
                self.received = earlier + self.received
                if message[1]:
                    raise ServerError(*message[3])
                return message[3]
            earlier.append(message)

    def call(self, name, *args):
        return self.reply(self.send(name, *args))

    def load_before(self, oid, tid=maxtid):
        """Asks as stock clients do, with (oid, tid) as the id."""
        self.send_bytes(self.message("loadBefore", oid, tid, message_id=(oid, tid)))
        return oid, tid

    def invalidations(self):
        """[(tid, [oid])] received and not yet taken, in order."""
        taken = [m for m in self.received if m[2] == "invalidateTransaction"]
        self.received = [m for m in self.received if m not in taken]
        return [(m[3][0], list(m[3][1])) for m in taken]

    def is_closed(self):
        """Whether the server closes the connection; waits for it, discards what still comes."""
        try:
            while True:
                self.receive_bytes()
        except Closed:
            return True
        except TimeoutError:
            return False

    # ---- transactions ----------------------------------------------------------------------------

    def begin(self, transaction_id=1):
        self.tell("tpc_begin", transaction_id, b"", b"", {}, None, " ")

    def store(self, oid, data, serial=z64, transaction_id=1):
        self.tell("storea", oid, serial, data, transaction_id)

    def staged(self, oid, data, serial=z64, transaction_id=1):
        """Begins, stores and sends the vote; returns the vote's id."""
        self.begin(transaction_id)
        self.store(oid, data, serial, transaction_id)
        return self.send("vote", transaction_id)

    def commit(self, oid, data, serial=z64, transaction_id=1):
        result = self.reply(self.staged(oid, data, serial, transaction_id))
        assert result in ([], ()), result
        return self.call("tpc_finish", transaction_id)


class ServerError(Exception):
    """An error reply: class name, and arguments or attributes."""

    def __init__(self, class_name, details):
        super().__init__(class_name, details)
        self.class_name = class_name
        self.details = details


def later(tid, by=1):
    return p64(u64(tid) + by)
