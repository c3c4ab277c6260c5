"""Milters written here, by the protocol's description and by no library: they do what a test wants, good or bad."""

import pathlib
import socket
import struct
import threading

# What may be done, and how: see policy/milter_protocol.h.
NO_CONNECT, NO_HELO, NO_MAIL, NO_RCPT, NO_BODY, NO_HEADERS, NO_EOH = 1, 2, 4, 8, 16, 32, 64
NR_HEADER, NO_DATA, SKIP, RCPT_REJ = 0x80, 0x200, 0x400, 0x800
NR_CONNECT, NR_HELO, NR_MAIL, NR_RCPT, NR_DATA, NR_EOH, NR_BODY = 0x1000, 0x2000, 0x4000, 0x8000, 0x10000, 0x40000, 0x80000
LEADING_SPACE = 0x100000
SILENT = NR_HEADER | NR_CONNECT | NR_HELO | NR_MAIL | NR_RCPT | NR_DATA | NR_EOH | NR_BODY
SILENT_FLAGS = {"L": NR_HEADER, "C": NR_CONNECT, "H": NR_HELO, "M": NR_MAIL, "R": NR_RCPT, "T": NR_DATA, "N": NR_EOH, "B": NR_BODY}


def packet(letter, data=b""):
    if isinstance(letter, str):
        letter = letter.encode()
    return struct.pack(">I", 1 + len(data)) + letter + data


def text(*words):
    return b"".join((w.encode() if isinstance(w, str) else w) + b"\0" for w in words)


CONTINUE, ACCEPT, REJECT, TEMPFAIL, DISCARD, PROGRESS = (packet(c) for c in "cartdp")
SHUTDOWN, SKIPPED, CONN_FAIL = packet("4"), packet("s"), packet("f")


def reply_code(line):
    return packet("y", text(line))


def add_header(name, value):
    return packet("h", text(name, value))


def insert_header(index, name, value):
    return packet("i", struct.pack(">I", index) + text(name, value))


def change_header(index, name, value):
    return packet("m", struct.pack(">I", index) + text(name, value))


def replace_body(body):
    return packet("b", body)


def add_rcpt(address, parameters=None):
    return packet("+", text(address)) if parameters is None else packet("2", text(address, parameters))


def delete_rcpt(address):
    return packet("-", text(address))


def change_from(address):
    return packet("e", text(address))


def quarantine(reason):
    return packet("q", text(reason))


class Conversation:
    """One connection: what was said, command by command."""

    def __init__(self):
        self.commands = []  # (letter, data)
        self.macros = {}    # by letter: the last ones
        self.ended = None

    def all(self, letter):
        return [data for c, data in self.commands if c == letter]

    def letters(self):
        return "".join(c for c, _ in self.commands)

    def headers(self):
        return [tuple(data.split(b"\0")[:2]) for data in self.all("L")]

    def body(self):
        return b"".join(self.all("B"))


class Milter:
    """Listens until it is closed.  `answers`: for a command's letter a packet, a list of packets, or a
    function of (conversation, data, connection) that gives either, or None for silence."""

    def __init__(self, path=None, steps=0, actions=0x1ff, version=6, lists=b"", negotiation=None, **answers):
        self.steps, self.actions, self.version, self.lists = steps, actions, version, lists
        self.negotiation = negotiation
        self.answers = answers
        self.conversations = []
        if path is None:
            self.socket = socket.create_server(("127.0.0.1", 0))
            self.address = "inet:127.0.0.1:%d" % self.socket.getsockname()[1]
        else:
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.bind(str(path))
            pathlib.Path(path).chmod(0o666)
            self.socket.listen(64)
            self.address = "unix:%s" % path
        self.open = set()
        self.is_closed = False
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            if self.is_closed:
                connection.close()
                return
            self.open.add(connection)
            conversation = Conversation()
            self.conversations.append(conversation)
            threading.Thread(target=self.serve, args=(connection, conversation), daemon=True).start()

    def serve(self, connection, conversation):
        try:
            with connection:
                while self.command(connection, conversation):
                    pass
        except OSError as e:
            conversation.ended = e
        self.open.discard(connection)

    @staticmethod
    def read(connection, length):
        data = b""
        while len(data) < length:
            more = connection.recv(length - len(data))
            if not more:
                raise OSError("closed")
            data += more
        return data

    def command(self, connection, conversation):
        length = struct.unpack(">I", self.read(connection, 4))[0]
        whole = self.read(connection, length)
        letter, data = chr(whole[0]), whole[1:]
        if letter == "D":
            words = data[1:].split(b"\0")[:-1]
            conversation.macros[chr(data[0])] = {a.decode(): b.decode() for a, b in zip(words[::2], words[1::2])}
            return True
        conversation.commands.append((letter, data))
        if letter == "O":
            conversation.offered = struct.unpack(">III", data)
            answer = self.negotiation
            if answer is None:
                answer = packet("O", struct.pack(">III", self.version, self.actions & conversation.offered[1], self.steps) + self.lists)
        elif letter in self.answers:
            answer = self.answers[letter]
            if callable(answer):
                answer = answer(conversation, data, connection)
        elif letter in "AKQ" or self.steps & SILENT_FLAGS.get(letter, 0):
            answer = None
        else:
            answer = CONTINUE
        if letter == "Q":
            return False
        for one in answer if isinstance(answer, list) else [answer]:
            if one is not None:
                connection.sendall(one)
        return True

    def close(self):
        self.is_closed = True
        try:
            socket.create_connection(self.socket.getsockname(), 1).close() if self.socket.family == socket.AF_INET else None
        except OSError:
            pass
        self.socket.close()
        for connection in list(self.open):
            connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
