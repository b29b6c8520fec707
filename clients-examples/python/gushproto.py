"""The Python classes of proto/, generated when they are first needed.

    proto = gushproto.load()
    proto.uni       messages of the unidirectional stream (ConnectRequest, Push, ...)
    proto.uni_rpc   its client stub
    proto.api       messages of the server API (PublishRequest, ...)
    proto.api_rpc   its client stub
    proto.health, proto.health_rpc   grpc.health.v1

A project of your own would run `python3 -m grpc_tools.protoc` once in its build instead. Here the
result is kept under build/, in a folder named after the schemas and the protobuf package, so it is
never stale and two programs may generate at the same time.
"""
import hashlib
import importlib
import pathlib
import subprocess
import sys
import tempfile
import types

import google.protobuf

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
CACHE_DIR = REPOSITORY / "build" / "python-proto"

SCHEMAS = {  # our name: schema
    "uni": REPOSITORY / "proto" / "unistream.proto",
    "api": REPOSITORY / "proto" / "api.proto",
    "health": REPOSITORY / "clients-examples" / "health.proto",
}


def _generate():
    """Returns the folder that holds the generated modules."""
    parts = [google.protobuf.__version__.encode(), *(p.read_bytes() for p in SCHEMAS.values())]
    folder = CACHE_DIR / hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]
    if folder.is_dir():
        return folder
    CACHE_DIR.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE_DIR) as scratch:
        out = pathlib.Path(scratch) / "out"
        out.mkdir()
        done = subprocess.run(
            [sys.executable, "-m", "grpc_tools.protoc",
             *(f"-I{path.parent}" for path in SCHEMAS.values()),
             f"--python_out={out}", f"--grpc_python_out={out}",
             *(path.name for path in SCHEMAS.values())],
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
    folder = str(_generate())
    if folder not in sys.path:
        sys.path.insert(0, folder)
    modules = {}
    for name, path in SCHEMAS.items():
        modules[name] = importlib.import_module(f"{path.stem}_pb2")
        modules[f"{name}_rpc"] = importlib.import_module(f"{path.stem}_pb2_grpc")
    return types.SimpleNamespace(**modules)
