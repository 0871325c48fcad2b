"""A service that is only well: small enough to run a hundred times."""

import os
import socket

ANSWER = b"HTTP/1.1 200 OK\r\nx-version: %s\r\ncontent-length: 0\r\nconnection: close\r\n\r\n" % os.environ["VERSION"].encode()

with socket.create_server(("127.0.0.1", int(os.environ["PORT"]))) as server:
    while True:
        client, _ = server.accept()
        with client:
            client.recv(65536)
            client.sendall(ANSWER)
