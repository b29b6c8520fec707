"""The Python classes of proto/, generated when they are first needed.

    proto = gushproto.load()
    proto.uni       messages of the unidirectional stream (ConnectRequest, Push, ...)
    proto.uni_rpc   its client stub
    proto.api       messages of the server API (PublishRequest, ...)
    proto.api_rpc   its client stub

A project of your own would run `python3 -m grpc_tools.protoc` once in its build instead. Here the
result is kept under build/, in a folder named after the contents of proto/, so it is never stale
and two programs may generate at the same time.
"""
import hashlib
import importlib
import pathlib
import subprocess
import sys
import tempfile
import types

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
PROTO_DIR = REPOSITORY / "proto"
CACHE_DIR = REPOSITORY / "build" / "python-proto"

SCHEMAS = {"uni": "unistream", "api": "api"}  # our name: file in proto/


def _generate(sources):
    """Returns the folder that holds the generated modules of |sources|."""
    digest = hashlib.sha256(b"\0".join(path.read_bytes() for path in sources)).hexdigest()[:16]
    folder = CACHE_DIR / digest
    if folder.is_dir():
        return folder
    CACHE_DIR.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE_DIR) as scratch:
        out = pathlib.Path(scratch) / "out"
        out.mkdir()
        done = subprocess.run(
            [sys.executable, "-m", "grpc_tools.protoc", f"-I{PROTO_DIR}", f"--python_out={out}",
             f"--grpc_python_out={out}", *(path.name for path in sources)],
            capture_output=True, text=True)
        if done.returncode != 0:
            raise SystemExit("cannot generate Python from proto/ (packages python3-grpcio and "
                             f"python3-grpc-tools): {done.stderr.strip()}")
        try:
            out.rename(folder)
        except OSError:
            if not folder.is_dir():  # otherwise somebody else was faster, with the same contents
                raise
    return folder


def load():
    sources = [PROTO_DIR / f"{stem}.proto" for stem in SCHEMAS.values()]
    folder = str(_generate(sources))
    if folder not in sys.path:
        sys.path.insert(0, folder)
    modules = {}
    for name, stem in SCHEMAS.items():
        modules[name] = importlib.import_module(f"{stem}_pb2")
        modules[f"{name}_rpc"] = importlib.import_module(f"{stem}_pb2_grpc")
    return types.SimpleNamespace(**modules)
