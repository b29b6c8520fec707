"""Messages and calls of the gRPC services that every server has, from proto/grpc/.

    services = protos.load()
    services.message("grpc.health.v1.HealthCheckRequest")(service="")
    services.call(channel, "grpc.health.v1.Health", "Watch")     a grpc multi-callable

In a descriptor pool of their own: other programs of this test run bring the same packages.
"""
import functools
import pathlib
import subprocess
import sys
import tempfile

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "proto"
FILES = ("grpc/health/v1/health.proto", "grpc/reflection/v1/reflection.proto",
         "grpc/reflection/v1alpha/reflection.proto")


class Services:
    def __init__(self, descriptors):
        self.pool = descriptor_pool.DescriptorPool()
        for file in descriptors.file:
            self.pool.Add(file)
        self.factory = message_factory.MessageFactory(self.pool)

    def message(self, name):
        return self.factory.GetPrototype(self.pool.FindMessageTypeByName(name))

    def call(self, channel, service, method, **how):
        found = self.pool.FindServiceByName(service).FindMethodByName(method)
        as_proto = descriptor_pb2.MethodDescriptorProto()
        found.CopyToProto(as_proto)
        kind = "_".join("stream" if streams else "unary" for streams in
                        (as_proto.client_streaming, as_proto.server_streaming))
        return getattr(channel, kind)(
            f"/{service}/{method}",
            request_serializer=lambda m: m if isinstance(m, bytes) else m.SerializeToString(),
            response_deserializer=self.message(found.output_type.full_name).FromString, **how)


@functools.lru_cache
def load():
    with tempfile.TemporaryDirectory() as scratch:
        out = pathlib.Path(scratch) / "set"
        subprocess.run([sys.executable, "-m", "grpc_tools.protoc", f"-I{FOLDER}",
                        f"--descriptor_set_out={out}", *FILES], check=True)
        return Services(descriptor_pb2.FileDescriptorSet.FromString(out.read_bytes()))
