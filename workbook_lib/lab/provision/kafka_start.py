"""Kafka's Java command, the formatted storage template, and the run that trains its cache."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from workbook_lib.lab.ports import PortAllocator, PortRequest
from workbook_lib.lab.provision.model import Report
from workbook_lib.lab.provision.progress import Heartbeat, StepFailed, guarded, run_step, tail

__all__ = ["CLUSTER_ID", "format_storage", "java_command", "train"]

CLUSTER_ID = "bWljcm9zZXJ2aWNlcy13Yg"
"""Every lab's cluster id: 16 bytes in URL-safe base64, as `kafka-storage random-uuid` prints them."""

_FLAGS = ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xmx256m"]
# JDK 25 warns on standard output for each adapter that it finds changed; without them it starts as fast.
_CACHE_FLAGS = [
    "-XX:+IgnoreUnrecognizedVMOptions",
    "-XX:+UnlockDiagnosticVMOptions",
    "-XX:-AOTAdapterCaching",
]
_FORMAT_TIMEOUT_SECONDS = 120.0
_TRAIN_TIMEOUT_SECONDS = 300.0

_PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{broker},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{broker}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={storage}
log.cleaner.dedupe.buffer.size=4194304
offsets.topic.replication.factor=1
offsets.topic.num.partitions=5
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
"""


def java_command(
    folder: Path,
    java: Path,
    jars: list[str],
    *,
    cache: Path | None = None,
    train_into: Path | None = None,
    main_class: str = "kafka.Kafka",
) -> list[str]:
    """Java with Kafka's flags and class path, up to the main class."""
    command = [str(java), *_FLAGS]
    if cache is not None:
        command += [*_CACHE_FLAGS, f"-XX:AOTCache={cache}"]
    if train_into is not None:
        command += [*_CACHE_FLAGS, f"-XX:AOTCacheOutput={train_into}"]
    class_path = ":".join(str(folder / "libs" / jar) for jar in jars)
    return [
        *command,
        f"-Dlog4j2.configurationFile={folder / 'log4j2.properties'}",
        "-cp",
        class_path,
        main_class,
    ]


def format_storage(folder: Path, java: Path, jars: list[str], report: Report) -> None:
    """Format `folder/template`, to be copied for each run. Raises `StepFailed`.

    The quorum's voters are static, so nothing in it holds a port.
    """
    properties = folder / "format.properties"
    properties.write_text(_PROPERTIES.format(broker=9092, controller=9093, storage=folder / "template"))
    run_step(
        [
            *java_command(folder, java, jars, main_class="kafka.tools.StorageTool"),
            *["format", "--cluster-id", CLUSTER_ID, "--config", str(properties)],
        ],
        "Kafka: formatting its storage",
        report,
        log=folder / "format.log",
        timeout_seconds=_FORMAT_TIMEOUT_SECONDS,
    )
    properties.unlink()


def train(folder: Path, java: Path, jars: list[str], report: Report) -> str:
    """Run Kafka once with some traffic so that Java writes `folder/kafka.aot` when it ends (JEP 514).

    Returns why there is no cache, or "". Raises `StepFailed` when Kafka doesn't work at all.
    """
    work = folder / "training"
    shutil.copytree(folder / "template", work / "storage")
    properties, log = work / "server.properties", folder / "training.log"
    heartbeat = Heartbeat("Kafka: a run to train its ahead-of-time cache (about 15 seconds, once)", report)
    heartbeat.beat()
    command = java_command(folder, java, jars, train_into=folder / "kafka.aot")
    with _free_ports() as (broker, controller):
        properties.write_text(
            _PROPERTIES.format(broker=broker, controller=controller, storage=work / "storage")
        )
        with guarded([*command, str(properties)], log) as process:
            _traffic(f"127.0.0.1:{broker}", work / "traffic.log", log, heartbeat)
            process.terminate()
            _await_end(process, heartbeat)
    shutil.rmtree(work)
    if not (folder / "kafka.aot").exists():
        return f"Java wrote none: {tail(log.read_text(errors='replace'), lines=1)}"
    return ""


def _traffic(bootstrap: str, log: Path, server_log: Path, heartbeat: Heartbeat) -> None:
    try:
        run_step(
            [sys.executable, "-m", "workbook_lib.lab.provision.kafka_traffic", bootstrap],
            "Kafka: sending it traffic",
            lambda _: heartbeat.beat(),
            log=log,
            timeout_seconds=90.0,
        )
    except StepFailed as failure:
        printed = f"{failure.tail}\nKafka's log ends:\n{tail(server_log.read_text(errors='replace'))}"
        raise StepFailed(f"Kafka didn't serve in its training run: {failure}", printed) from failure


def _await_end(process: subprocess.Popen[bytes], heartbeat: Heartbeat) -> None:
    while heartbeat.elapsed_seconds < _TRAIN_TIMEOUT_SECONDS:
        if process.poll() is not None:
            return
        heartbeat.beat()
        time.sleep(0.1)
    raise StepFailed(f"Kafka's training run took longer than {_TRAIN_TIMEOUT_SECONDS:.0f} s", "")


@contextmanager
def _free_ports() -> Iterator[list[int]]:
    """Two that no chapter takes meanwhile, and that the system gives to nobody who asks for any port."""
    held = PortAllocator().reserve_all([PortRequest("broker"), PortRequest("controller")]).values()
    try:
        for each in held:
            each.hand_over()
        yield [each.port for each in held]
    finally:
        for each in held:
            each.release()
