"""SMTP command sequences as data: smtp/README.md says what a file looks like."""

import base64
import dataclasses
import pathlib
import re

SERVICES = ("mx", "submission", "submissions")
ACTS = ("<tls>", "<end>")


class Malformed(Exception):
    pass


@dataclasses.dataclass
class Expected:
    code: str  # "250", "closed" or "*"
    status: str = None  # "2.1.0", or "-": none
    patterns: list = dataclasses.field(default_factory=list)  # (regular expression, is wanted)


@dataclasses.dataclass
class Step:
    line: int
    octets: bytes  # or, for an act of the connection's, its name as a str
    expected: list  # of Expected


@dataclasses.dataclass
class Sequence:
    topic: str
    title: str
    line: int
    service: str
    tls: bool
    login: str
    steps: list

    @property
    def name(self):
        return "%s:%d %s" % (self.topic, self.line, self.title)


# --- the left side -----------------------------------------------------------------------

ESCAPES = {"r": "\r", "n": "\n", "t": "\t", "0": "\0", "s": " ", "\\": "\\", '"': '"'}
TOKEN = re.compile(rb'\\x([0-9a-fA-F]{2})|\\(.)|\{"((?:[^"\\]|\\.)*)"\*(\d+)\}|\{base64 "((?:[^"\\]|\\.)*)"\}|\{\}', re.S)


def unescape(text, where):
    def replace(match):
        octet, letter, repeated, times, encoded = match.groups()
        if octet is not None:
            return bytes([int(octet, 16)])
        if letter is not None:
            if letter.decode("latin-1") not in ESCAPES:
                raise Malformed("%s: unknown escape \\%s" % (where, letter.decode("latin-1")))
            return ESCAPES[letter.decode()].encode()
        if repeated is not None:
            return unescape(repeated, where) * int(times)
        if encoded is not None:
            return base64.b64encode(unescape(encoded, where))
        return b""

    return TOKEN.sub(replace, text)


def octets_of(text, where):
    text = text.strip().encode()
    if text.endswith(rb"\c"):
        return unescape(text[:-2], where)
    return unescape(text, where) + b"\r\n"


# --- the right side ------------------------------------------------------------------------

WORD = re.compile(r"\s*(,|!?/(?:[^/\\]|\\.)*/|[^\s,]+)")


def expected_of(text, where):
    found, words = [], WORD.findall(text)
    fresh = True
    for word in words:
        if word == ",":
            fresh = True
        elif fresh:
            if not re.fullmatch(r"[2-5]\d\d|closed|\*", word):
                raise Malformed("%s: a reply's code was expected, not %r" % (where, word))
            found.append(Expected(word))
            fresh = False
        elif re.fullmatch(r"\*\d+", word):
            found += [found[-1]] * (int(word[1:]) - 1)
        elif re.fullmatch(r"[245]\.\d{1,3}\.\d{1,3}|-", word):
            found[-1].status = word
        elif word.endswith("/") and len(word) > 1:
            found[-1].patterns.append((re.compile(word.lstrip("!")[1:-1]), not word.startswith("!")))
        else:
            raise Malformed("%s: %r is neither a status nor a pattern" % (where, word))
    return found


# --- files -----------------------------------------------------------------------------------


def context_of(words, default, where):
    context = dict(default)
    for word in words:
        if word in SERVICES:
            context["service"] = word
        elif word == "tls":
            context["tls"] = True
        elif re.fullmatch(r"[\w.@+-]+", word):
            context["login"] = word
        else:
            raise Malformed("%s: %r is neither a service, nor tls, nor a user" % (where, word))
    return context


class Block:
    """What stands below one title."""

    def __init__(self, title, line, context):
        self.is_each = title.startswith("each:")
        self.title = title[5:].strip() if self.is_each else title
        self.line = line
        self.context = context
        self.before, self.steps = [], []
        self.pending = {"before": b"", "": b""}

    def take(self, line, number, where):
        into, kind = self.steps, ""
        if self.is_each and line.startswith("before "):
            into, kind, line = self.before, "before", line[7:]
        left, arrow, right = line.partition("=>")
        if left.strip() in ACTS:
            into.append(Step(number, left.strip(), expected_of(right, where)))
            return
        self.pending[kind] += octets_of(left, where)
        if arrow:
            into.append(Step(number, self.pending[kind], expected_of(right, where)))
            self.pending[kind] = b""

    def sequences(self, topic):
        if any(self.pending.values()) or not self.steps:
            raise Malformed("%s:%d: the sequence does not end with a line that has a reply" % (topic, self.line))
        if not self.is_each:
            return [Sequence(topic, self.title, self.line, steps=self.steps, **self.context)]
        return [Sequence(topic, self.title, s.line, steps=self.before + [s], **self.context) for s in self.steps]


def read(path):
    """All sequences of a file."""
    topic = path.stem
    default = {"service": "mx", "tls": False, "login": None}
    blocks = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        where = "%s:%d" % (path.name, number)
        if not line.strip() or line.startswith("#"):
            continue
        title = re.match(r"\[([^]]+)\]\s*(.*?)\s*(?: # .*)?$", line)
        if title:
            blocks.append(Block(title[1].strip(), number, context_of(title[2].split(), default, where)))
        elif line.startswith("default "):
            default = context_of(line.split(" # ")[0].split()[1:], {"service": "mx", "tls": False, "login": None}, where)
        elif not blocks:
            raise Malformed("%s: a title in brackets comes first" % where)
        else:
            blocks[-1].take(line, number, where)
    return [s for b in blocks for s in b.sequences(topic)]


def read_all():
    directory = pathlib.Path(__file__).parent / "smtp"
    return [s for path in sorted(directory.glob("*.txt")) for s in read(path)]
