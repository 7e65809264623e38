"""A worker of one process sees one GPU, whatever the machine has and whatever a person set."""

from __future__ import annotations

import os
import sys

import pytest

from core.jobs import gpus
from core.jobs.gpus import Gpu, one_visible

SMALL, LARGE = Gpu("GPU-aaaa-1", 10, False), Gpu("GPU-bbbb-2", 20, False)
DIVIDED = Gpu("GPU-cccc-3", 30, True)


@pytest.mark.parametrize(
    ("here", "said", "expected"),
    [
        ([], None, None),
        ([SMALL], None, None),
        ([SMALL, LARGE], None, LARGE.uuid),
        ([LARGE, SMALL], None, LARGE.uuid),
        ([SMALL, LARGE, DIVIDED], None, LARGE.uuid),
        ([DIVIDED, DIVIDED], None, None),
        ([SMALL, LARGE], "1", None),
        ([SMALL, LARGE], "", None),
        ([SMALL, LARGE], "-1", None),
        ([SMALL, LARGE], "1,0", "1"),
        ([SMALL, LARGE], "GPU-aaaa,GPU-bbbb", LARGE.uuid),
        ([SMALL, LARGE], "GPU-aaaa-1", None),
        ([SMALL, LARGE], "GPU-dddd,GPU-eeee", "GPU-dddd"),
        ([], "0,1", "0"),
        ([DIVIDED], "MIG-1,MIG-2", "MIG-1"),
    ],
)
def test_one_is_visible(here, said, expected):
    assert one_visible(here, said) == expected


ANSWER = """GPU-aaaa-1, 1024, [N/A]
GPU-bbbb-2, 2048, Disabled
GPU-cccc-3, 4096, Enabled
GPU-dddd-4, [N/A], [N/A]
"""


@pytest.fixture
def nvidia_smi(tmp_path, monkeypatch):
    """A program of that name which answers as NVIDIA's does, to any question."""
    if os.name == "nt":
        pytest.skip("a shell script")
    program = tmp_path / "bin" / "nvidia-smi"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\ncat <<'END'\n{ANSWER}END\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv(gpus.VISIBLE, raising=False)
    return program


def test_nvidia_smi_is_read(nvidia_smi):
    assert gpus.gpus() == [
        Gpu("GPU-aaaa-1", 1024 * 1024**2, False),
        Gpu("GPU-bbbb-2", 2048 * 1024**2, False),
        Gpu("GPU-cccc-3", 4096 * 1024**2, True),
        Gpu("GPU-dddd-4", 0, False),
    ]
    assert gpus.chosen() == {gpus.VISIBLE: "GPU-bbbb-2"}


def test_a_driver_that_is_broken_stops_nothing(nvidia_smi):
    nvidia_smi.write_text("#!/bin/sh\necho 'No devices were found'\nexit 9\n")
    assert gpus.gpus() == []
    assert gpus.chosen() == {}


@pytest.mark.parametrize(("processes", "expected"), [(1, "GPU-bbbb-2"), (2, "None")])
def test_the_process_of_a_job_is_told(workspace, nvidia_smi, monkeypatch, tmp_path, processes, expected):
    """Started as every job is; in the worker's place stands a program that writes down what it sees."""
    from core.jobs import launch

    worker = tmp_path / "spy.py"
    worker.write_text(f"import os, sys; open(sys.argv[1] + '/seen', 'w').write(str(os.environ.get('{gpus.VISIBLE}')))")
    project = workspace.create_project("p")
    job = workspace.add_job(project.id, "train", "run", {"settings": {"processes": processes}})
    folder = workspace.folder(job)
    monkeypatch.setitem(launch.WORKERS, "train", "spy")
    monkeypatch.setattr(launch, "_launcher", lambda processes: [])
    real = launch.subprocess.Popen

    def start(command, **how):
        if command[0] == sys.executable:
            command = [sys.executable, str(worker), *command[3:]]
        return real(command, **how)

    monkeypatch.setattr(launch.subprocess, "Popen", start)
    launch.start_process(workspace, job)
    assert launch.children[job.id].wait(60) == 0
    assert (folder / "seen").read_text() == expected
