"""Other people's mail hosts on loopback: one that works, and others that misbehave in a known way."""

import socket
import ssl
import threading
import time

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP


class Keeper:
    """aiosmtpd's handler: keeps what it was given, refuses whom it is told to refuse."""

    def __init__(self, refuse=None):
        self.messages = []
        self.refuse = refuse or {}

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address in self.refuse:
            return self.refuse[address]
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 ok"

    async def handle_DATA(self, server, session, envelope):
        self.messages.append((envelope.mail_from, list(envelope.rcpt_tos), envelope.original_content, session.ssl is not None))
        return "250 2.0.0 kept"


class Promising(SMTP):
    """aiosmtpd with REQUIRETLS (RFC 8689): it offers that under TLS, and notes what MAIL said."""

    async def smtp_MAIL(self, arg):
        words = (arg or "").split(" ")
        self.event_handler.mails.append(arg)
        await super().smtp_MAIL(" ".join(w for w in words if w.upper() != "REQUIRETLS"))


class PromisingKeeper(Keeper):
    def __init__(self, refuse=None):
        super().__init__(refuse)
        self.mails = []
        self.sessions = 0

    async def handle_EHLO(self, server, session, envelope, hostname, responses):
        session.host_name = hostname
        if session.ssl is not None:
            self.sessions += 1
            responses.insert(-1, "250-REQUIRETLS")
        return responses


class PromisingController(Controller):
    def factory(self):
        return Promising(self.handler, **self.SMTP_kwargs)


class Host:
    """A host that works, by aiosmtpd; with a certificate it offers STARTTLS, and `promises` REQUIRETLS then."""

    def __init__(self, certificate=None, refuse=None, port=0, promises=False, **how):
        self.keeper = PromisingKeeper(refuse) if promises else Keeper(refuse)
        context = None
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*map(str, certificate))
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(("127.0.0.1", port))
        self.port = self.socket.getsockname()[1]
        self.socket.close()
        controller = PromisingController if promises else Controller
        self.controller = controller(self.keeper, hostname="127.0.0.1", port=self.port,
                                     server_kwargs=dict(tls_context=context, data_size_limit=100 << 20, **how))
        self.controller.start()

    @property
    def messages(self):
        return self.keeper.messages

    def close(self):
        self.controller.stop()


class Odd:
    """A host whose every reply is a line of `script`: the verb, then what is said to it.

    "." is the end of a message, "" the greeting.  A reply of None says nothing, and one
    that ends with "!" is followed by the end of the connection.
    """

    USUAL = {"": "220 odd.example", "EHLO": "250-odd.example\r\n250 PIPELINING", "HELO": "250 odd.example", "MAIL": "250 ok",
             "RCPT": "250 ok", "DATA": "354 go", ".": "250 ok", "RSET": "250 ok", "QUIT": "221 bye!"}

    def __init__(self, **script):
        self.script = dict(self.USUAL, **{{"greeting": "", "end": "."}.get(k, k): v for k, v in script.items()})
        self.heard, self.messages, self.connections = [], [], 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self.converse, args=(connection,), daemon=True).start()

    def say(self, connection, verb):
        reply = self.script.get(verb, "500 what?")
        if callable(reply):
            reply = reply()
        if reply is None:
            time.sleep(1000)
        connection.sendall(reply.rstrip("!").encode("latin-1") + b"\r\n")
        if reply.endswith("!"):
            raise OSError
        return reply

    def converse(self, connection):
        lines = connection.makefile("rb")
        try:
            self.say(connection, "")
            for line in lines:
                self.heard.append(line.decode("latin-1").rstrip("\r\n"))
                verb = self.heard[-1].split(" ")[0].split(":")[0]
                if self.say(connection, verb).startswith("354"):
                    content = b""
                    for line in lines:
                        if line == b".\r\n":
                            self.messages.append(content)
                            self.say(connection, ".")
                            break
                        content += line
            connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        connection.close()

    def close(self):
        self.listener.close()
