"""Certificates of an authority of the test's own, and TLS in front of a server without."""

import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

CHUNK = 65536


@dataclass(frozen=True)
class Authority:
    """A certificate for 127.0.0.1, its key, and who signed it."""

    ca: Path
    certificate: Path
    key: Path


def authority(folder: Path) -> Authority:
    """Make an authority and a certificate that it signed."""
    made = Authority(folder / "ca.pem", folder / "server.pem", folder / "server.key")
    _openssl(
        f"req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=authority"
        f" -keyout {folder}/ca.key -out {made.ca}"
    )
    _openssl(
        f"req -newkey rsa:2048 -nodes -subj /CN=server -keyout {made.key} -out {folder}/server.csr"
    )
    names = folder / "names"
    names.write_text("subjectAltName=IP:127.0.0.1")
    _openssl(
        f"x509 -req -in {folder}/server.csr -CA {made.ca} -CAkey {folder}/ca.key -days 1"
        f" -set_serial 1 -extfile {names} -out {made.certificate}"
    )
    return made


def _openssl(arguments: str) -> None:
    subprocess.run(["openssl", *arguments.split()], check=True, capture_output=True)


@contextmanager
def terminated(signed: Authority, upstream: int) -> Iterator[int]:
    """Take TLS on a port of loopback and pass what it carries to another."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(signed.certificate, signed.key)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=_accept, args=(listening, context, upstream), daemon=True).start()
        yield int(listening.getsockname()[1])
        listening.shutdown(socket.SHUT_RDWR)


def _accept(listening: socket.socket, context: ssl.SSLContext, upstream: int) -> None:
    while True:
        try:
            plain, _ = listening.accept()
        except OSError:  # the test is over
            return
        threading.Thread(target=_serve, args=(plain, context, upstream), daemon=True).start()


def _serve(plain: socket.socket, context: ssl.SSLContext, upstream: int) -> None:
    with (
        plain,
        suppress(OSError),  # a caller that does not trust us hangs up
        context.wrap_socket(plain, server_side=True) as outside,
        socket.create_connection(("127.0.0.1", upstream)) as inside,
    ):
        back = threading.Thread(target=_pump, args=(inside, outside), daemon=True)
        back.start()
        _pump(outside, inside)
        back.join()


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError, ValueError):
        while data := source.recv(CHUNK):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_RDWR)
