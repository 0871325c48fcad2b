"""RabbitMQ at RABBITMQ_URL: what could not be enriched goes to one queue, and what is to be tried again to another."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from typing import Any

import pika
from pika.exceptions import AMQPError

from songnodes import journal
from songnodes.setting import needed, text

# A suffix lets several stacks share one broker.
SUFFIX = text("QUEUE_SUFFIX")
DEAD, AGAIN = f"enrichment.dead{SUFFIX}", f"enrichment.again{SUFFIX}"
PERSISTENT = pika.BasicProperties(delivery_mode=2, content_type="application/json")
# How long to wait for a broker that is away, and how often to look whether the service ends, in seconds.
PAUSE, GLANCE = 1.0, 0.2

Message = dict[str, Any]


def connect() -> pika.BlockingConnection:
    """Connect, within a few seconds or not at all."""
    told = pika.URLParameters(needed("RABBITMQ_URL"))
    told.socket_timeout, told.stack_timeout, told.blocked_connection_timeout = 2, 4, 5
    told.connection_attempts = 1
    return pika.BlockingConnection(told)


def send(queue: str, message: Message) -> None:
    """Send one message, and return once the broker has it on disk. Its own connection: messages of failures are few."""
    connection = connect()
    try:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.queue_declare(queue, durable=True)
        channel.basic_publish("", queue, json.dumps(message), PERSISTENT, mandatory=True)
    finally:
        connection.close()


def depth(queue: str) -> int:
    """Return how many messages wait."""
    connection = connect()
    try:
        return int(connection.channel().queue_declare(queue, durable=True).method.message_count)
    finally:
        connection.close()


class Consumer:
    """Takes messages off a queue, each gone once `handle` has returned; away from the broker, it comes back by itself."""

    def __init__(self, queue: str, handle: Callable[[Mapping[str, Any]], None]) -> None:
        self.queue, self.handle = queue, handle
        self.there, self.ending = threading.Event(), threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)

    @property
    def well(self) -> bool:
        """Say whether it is with the broker now."""
        return self.there.is_set()

    def start(self) -> Consumer:
        """Begin."""
        self.thread.start()
        return self

    def stop(self) -> None:
        """End after the message in hand."""
        self.ending.set()
        self.thread.join(5)

    def _run(self) -> None:
        while not self.ending.is_set():
            try:
                self._consume()
            except (AMQPError, OSError) as error:
                self.there.clear()
                journal.say("WARNING", "the broker is away", why=str(error) or type(error).__name__)
                self.ending.wait(PAUSE)

    def _consume(self) -> None:
        connection = connect()
        try:
            channel = connection.channel()
            channel.queue_declare(self.queue, durable=True)
            channel.basic_qos(prefetch_count=1)
            self.there.set()
            for method, _, body in channel.consume(self.queue, inactivity_timeout=GLANCE):
                if self.ending.is_set():
                    return
                if method is not None:
                    self.handle(json.loads(body))
                    channel.basic_ack(method.delivery_tag)
        finally:
            self.there.clear()
            connection.close()
