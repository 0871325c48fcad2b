"""Everything that `doctor` asks of a stack and of the machine under it, all at once, each with its own time limit.

What cannot be asked is said, and never taken for well. The drivers are imported by the questions that need them.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import wait as rest
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from sluice.core.diagnosis import machine, stack
from sluice.core.diagnosis.finding import Finding, unknown
from sluice.core.errors import SluiceError, Unreachable
from sluice.core.rollback.block import data
from sluice.core.secret import named
from sluice.history.locks import holders
from sluice.history.pulumi import Pulumi, typed
from sluice.history.scene import Scene
from sluice.history.stack import look

# One question may take this long: what is local answers in milliseconds, and a person waits.
LIMIT = 1.5
# The CLI itself starts several times before anything is known: a busy machine needs a while for that.
START = 20.0
CROWD = 24

Look = Callable[[], list[Finding]]


@dataclass(frozen=True)
class Question:
    """One look at something: where it belongs, what it is called when it is not answered, and how it is asked."""

    area: str
    what: str
    ask: Look


def examine(pulumi: Pulumi, *, long: float, limit: float = LIMIT) -> list[Finding]:
    """Return all findings: first those of the machine, then those of the stack and its systems."""
    pool = ThreadPoolExecutor(CROWD)
    # Its threads end with their CLIs, and this process ends with its threads.
    pulumi = replace(pulumi, limit=START)
    try:
        bare = _begin(pool, _bare(pulumi))
        stack_ = pool.submit(_scene, pulumi, long, limit)
        _warm()
        try:
            scene = stack_.result()
            questions = [*_stack(scene), *_services(scene), *_data(scene)]
        except Exception as error:
            return [*_end(bare, limit), unknown(stack.STACK, "stack", _why(error), typed(pulumi.argv("stack")))]
        asked = _begin(pool, questions)
        return [*_end(bare, limit), *_end(asked, limit)]
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _warm() -> None:
    """Import what the questions need while the CLI starts, which takes as long."""
    from sluice.history import examine_data, examine_services

    assert examine_data
    assert examine_services


def _scene(pulumi: Pulumi, long: float, limit: float) -> Scene:
    seen = look(pulumi)
    return Scene(seen, holders(pulumi, seen.backend), long, limit)


def _begin(pool: ThreadPoolExecutor, questions: Sequence[Question]) -> list[tuple[Question, Future[list[Finding]]]]:
    return [(one, pool.submit(one.ask)) for one in questions]


def _end(asked: Sequence[tuple[Question, Future[list[Finding]]]], limit: float) -> Iterator[Finding]:
    # Some questions have two halves, each with the limit; a little more is for starting them all.
    rest([future for _, future in asked], timeout=3 * limit)
    for question, future in asked:
        yield from _answer(question, future, limit)


def _answer(question: Question, future: Future[list[Finding]], limit: float) -> list[Finding]:
    if not future.done():
        return [stack.late(question.area, question.what, 3 * limit)]
    try:
        return future.result()
    except Exception as error:
        # One look that breaks must not take the others with it.
        return [unknown(question.area, question.what, _why(error))]


def _why(error: Exception) -> str:
    """Say what an error says, where it is one of ours; any other may hold anything."""
    return str(error) if isinstance(error, SluiceError) else f"the look at it broke ({type(error).__name__})"


def _bare(pulumi: Pulumi) -> list[Question]:
    """Return what can be asked without knowing the stack."""
    return [
        Question(machine.AREA, "memory", _memory),
        Question(stack.STACK, "programs", partial(_tools, pulumi)),
        Question(stack.STACK, "credentials", partial(_references, pulumi)),
    ]


def _memory() -> list[Finding]:
    from sluice.systems.machine import load, memory

    return [machine.memory(*memory()), machine.load(*load())]


def _tools(pulumi: Pulumi) -> list[Finding]:
    wanted = ("pulumi", "pulumi-language-python", "pulumi-resource-pulumi-python")
    missing = [name for name in wanted if not shutil.which(name)]
    return stack.tools(missing, [] if missing else [f"pulumi {pulumi.version()}", "its language and resource plugins"])


def _references(pulumi: Pulumi) -> list[Finding]:
    """Resolve what config refers to; encrypted values are no references, and are not looked at."""
    from sluice.systems.secret import resolve

    found = sorted({text for text in _texts(pulumi.settings()) if named(text)})
    unresolved: dict[str, str] = {}
    for name in found:
        try:
            resolve(name)
        except (Unreachable, ValueError) as error:
            unresolved[name] = str(error).partition("; run: ")[0]
    return stack.references(unresolved, len(found))


def _texts(value: Any) -> Iterator[str]:
    """Yield every text in a part of config; a block that was set as one text is JSON inside."""
    if isinstance(value, str):
        block = data(json.dumps(value))
        yield from [value] if block == value else _texts(block)
    elif isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _texts(one)


def _stack(scene: Scene) -> list[Question]:
    seen = scene.seen
    cancel = typed(seen.pulumi.argv("cancel", "--yes"))
    clear = typed(seen.pulumi.argv("refresh", "--clear-pending-creates", "--skip-preview", "--yes"))
    live = seen.live.id if seen.live else None
    return [
        Question(stack.STACK, "lock", lambda: stack.lock(scene.locks, cancel)),
        Question(stack.STACK, "operations", lambda: stack.pending(seen.pending, seen.remembered, clear, busy=scene.busy)),
        Question(stack.STACK, "release", lambda: [stack.release(seen.configured, live, scene.held, busy=scene.busy)]),
        Question(stack.STACK, "way back", partial(_back, scene)),
        Question(stack.STACK, "variables", lambda: _variables(scene)),
    ]


def _back(scene: Scene) -> list[Finding]:
    from sluice.history.due import deadline

    return stack.back(deadline(scene.seen), scene.seen.configured, time.time(), busy=scene.busy)


def _variables(scene: Scene) -> list[Finding]:
    # The words that Go's ParseBool, and so the engine, takes for true.
    careless = os.environ.get("PULUMI_CONTINUE_ON_ERROR") in ("1", "t", "T", "TRUE", "true", "True")
    given = any(os.environ.get(name) is not None for name in ("PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE"))
    passphrase = given if '"passphrase"' in scene.seen.secrets else None
    told = os.environ.get("SLUICE_HOME", "")
    return stack.variables(careless, passphrase, (told, str(Path(scene.seen.root).parent) if scene.seen.root else ""))


def _services(scene: Scene) -> list[Question]:
    """Return the questions to what runs; its doors, its supervisor, its ports. What is inside of a container its engine sees to."""
    if not (scene.seen.root or scene.seen.split):
        return []
    if scene.root is None and not scene.contained:
        return [Question(stack.SERVICES, "services", partial(_elsewhere, scene))]
    from sluice.history import examine_services as services

    endpoints = scene.seen.outputs.get("endpoints") or {}
    versions = [Question(stack.SERVICES, one.name, partial(services.version, scene, one, path)) for one, path in scene.seen.running]
    doors = [
        Question(stack.SERVICES, f"{name} through the door", partial(services.door, scene, name, url)) for name, url in endpoints.items()
    ]
    traffic = Question(stack.SERVICES, "traffic", partial(services.traffic, scene))
    keeper = Question(stack.SERVICES, "keeper", partial(services.keeper, scene))
    common = [traffic, *versions, *doors, keeper]
    if scene.contained:
        return [*common, *_contained(scene)]
    return [
        *common,
        Question(stack.SERVICES, "envoy", partial(services.envoy, scene)),
        Question(stack.SERVICES, "supervisord", partial(services.supervisord, scene)),
        Question(machine.AREA, "ports", partial(services.ports, scene)),
        Question(machine.AREA, "processes", partial(services.strays, scene)),
        Question(stack.STACK, "files with secrets", partial(services.secrets, scene)),
    ]


def _contained(scene: Scene) -> list[Question]:
    """Return the questions to the engine of a stack in containers."""
    from sluice.history import examine_docker as engine

    return [
        Question(stack.SERVICES, "containers", partial(engine.each, scene)),
        Question(stack.SERVICES, "envoy", partial(engine.envoy, scene)),
        Question(stack.SERVICES, "volumes", partial(engine.volumes, scene)),
        Question(stack.SERVICES, "images", partial(engine.images, scene)),
        Question(machine.AREA, "ports", partial(engine.ports, scene)),
        Question(machine.AREA, "engine's disk", partial(engine.disk, scene)),
    ]


def _elsewhere(scene: Scene) -> list[Finding]:
    return [unknown(stack.SERVICES, "services", f"'{scene.seen.root}' is not on this machine: ask where the stack runs")]


def _data(scene: Scene) -> list[Question]:
    """Return the questions to databases, and to the disks that they and their backups are on."""
    from sluice.core.diagnosis import data, server
    from sluice.history import examine_data as databases

    disks = Question(machine.AREA, "disk", partial(databases.disks, scene))
    if scene.store is None:
        return [disks]
    stores = scene.seen.stores.items()
    inside = [Question(data.AREA, f"database '{name}'", partial(databases.inside, scene, name, store)) for name, store in stores]
    server_ = Question(server.AREA, f"server {scene.store.host}:{scene.store.port}", partial(databases.server, scene))
    return [disks, server_, *inside, Question(data.AREA, "backups", partial(databases.shelf, scene))]
