"""RabbitMQ: nothing is lost that was confirmed, and nothing that nobody can handle stays in the way."""

import asyncio
from uuid import uuid4

import aio_pika
import pytest

from workbook_lib.kit import telemetry
from workbook_lib.kit.amqp import AmqpConsumer, AmqpError, AmqpPublisher, dead_letter_queue
from workbook_lib.lab.evidence import eventually

pytestmark = [pytest.mark.server, pytest.mark.timeout(120)]


@pytest.fixture
def queue():
    return f"test-{uuid4().hex[:8]}"


@pytest.fixture
async def publisher(amqp_url):
    async with AmqpPublisher(amqp_url) as publisher:
        yield publisher


class Running:
    """A consumer with its worker; `stop` drains it as a service does."""

    def __init__(self, amqp_url, queue, handler, **options):
        self.consumer = AmqpConsumer(amqp_url, queue, handler, **options)

    async def __aenter__(self):
        await self.consumer.start()
        self.worker = asyncio.create_task(self.consumer.run())
        return self

    async def __aexit__(self, *_):
        self.worker.cancel()
        await asyncio.wait([self.worker])
        await self.consumer.stop()


async def _held(amqp_url, queue):
    """How many messages lie in a queue, ready to be delivered."""
    async with await aio_pika.connect(amqp_url) as connection:
        channel = await connection.channel()
        declared = await channel.declare_queue(queue, passive=True)
        return declared.declaration_result.message_count


async def _take(amqp_url, queue):
    async with await aio_pika.connect(amqp_url) as connection:
        held = await (await connection.channel()).get_queue(queue)
        message = await held.get()
        await message.ack()
        return message


async def test_what_was_confirmed_before_there_was_a_consumer_is_handled(amqp_url, publisher, queue):
    for number in range(20):
        await publisher.send(queue, f"{number}".encode(), message_id=f"m{number}")
    got = []

    async def handle(message):
        got.append((message.message_id, message.body))

    async with Running(amqp_url, queue, handle, prefetch=3):
        await eventually(lambda: len(got) == 20)
    assert sorted(got) == sorted((f"m{number}", f"{number}".encode()) for number in range(20))
    assert await _held(amqp_url, queue) == 0


async def test_no_more_than_the_prefetch_is_under_way(amqp_url, publisher, queue):
    now, most, done, full = 0, 0, 0, asyncio.Event()

    async def handle(_):
        nonlocal now, most, done
        now += 1
        most = max(most, now)
        if now == 4:
            full.set()
        await full.wait()  # they need not arrive together
        await asyncio.sleep(0.01)
        now, done = now - 1, done + 1

    for number in range(12):
        await publisher.send(queue, b"x", message_id=str(number))
    async with Running(amqp_url, queue, handle, prefetch=4):
        await eventually(lambda: done == 12)
    assert most == 4


async def test_a_message_that_fails_is_tried_three_times_and_then_parked_while_others_pass(
    amqp_url, publisher, queue
):
    tried, passed = [], []

    async def handle(message):
        if message.body == b"poison":
            tried.append(message.headers.get("x-attempt", 1))
            raise ValueError("can't be read")
        passed.append(message.body)

    await publisher.send(queue, b"poison", message_id="bad")
    await publisher.send(queue, b"good", message_id="good")
    async with Running(amqp_url, queue, handle):
        parked = dead_letter_queue(queue)

        async def lies_there():
            return await _held(amqp_url, parked) == 1

        await eventually(lies_there, timeout_seconds=60)
    assert (tried, passed) == ([1, 2, 3], [b"good"])
    message = await _take(amqp_url, dead_letter_queue(queue))
    assert (message.body, message.message_id) == (b"poison", "bad")
    told = {name: message.headers[name] for name in ("dlq.queue", "dlq.attempts", "dlq.error.type")}
    assert told == {"dlq.queue": queue, "dlq.attempts": 3, "dlq.error.type": "ValueError"}
    assert message.headers["dlq.error.message"] == "can't be read"


async def test_a_message_that_kills_its_consumer_every_time_is_parked_too(amqp_url, publisher, queue):
    taken = []
    await publisher.send(queue, b"deadly", message_id="deadly")

    async def die(message):
        taken.append(message.message_id)
        await asyncio.Event().wait()

    for times in range(1, 4):
        doomed = AmqpConsumer(amqp_url, queue, die)
        await doomed.start()
        worker = asyncio.create_task(doomed.run())
        # What it was tried as before is acknowledged: that would come again, too.
        await eventually(
            lambda times=times, doomed=doomed: (len(taken), len(doomed._under_way)) == (times, 1)
        )
        await doomed.stop()  # the connection is gone before the message is acknowledged, as in a crash
        worker.cancel()
        await asyncio.wait([worker])

    async def parked():
        return await _held(amqp_url, dead_letter_queue(queue)) == 1

    async with Running(amqp_url, queue, die):
        await eventually(parked, timeout_seconds=60)
    assert len(taken) == 3


async def test_the_message_under_way_is_finished_before_the_consumer_stops(amqp_url, publisher, queue):
    begun, finished = asyncio.Event(), []

    async def handle(message):
        begun.set()
        await asyncio.sleep(0.2)
        finished.append(message.message_id)

    await publisher.send(queue, b"x", message_id="one")
    async with Running(amqp_url, queue, handle):
        await asyncio.wait_for(begun.wait(), 10)
    assert finished == ["one"]
    assert await _held(amqp_url, queue) == 0


async def test_the_consumers_span_continues_the_senders_trace(amqp_url, publisher, queue, spans):
    seen = asyncio.Queue()

    async def handle(_):
        await seen.put(telemetry.current_trace_id())

    with telemetry.tracer().start_as_current_span("request"):
        sent = telemetry.current_trace_id()
        await publisher.send(queue, b"x", message_id="one")
    async with Running(amqp_url, queue, handle):
        assert await asyncio.wait_for(seen.get(), 10) == sent
    kinds = {span.name: span.kind.name for span in spans.get_finished_spans()}
    assert kinds[f"send {queue}"] == "PRODUCER"
    assert kinds[f"process {queue}"] == "CONSUMER"


async def test_a_broker_that_is_not_there_or_never_answers_is_a_typed_error(black_hole):
    for address in ("127.0.0.1:1", black_hole):
        publisher = AmqpPublisher(f"amqp://guest:guest@{address}/", start_timeout_seconds=0.5)
        with pytest.raises(AmqpError, match="RabbitMQ"):
            await publisher.start()
        with pytest.raises(AmqpError, match="isn't started"):
            await publisher.send("q", b"", message_id="1")
        with pytest.raises(AmqpError, match="not connected"):
            await publisher.check()
