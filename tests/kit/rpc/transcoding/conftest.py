"""A contract with every kind of binding, compiled once, and its service behind a transcoder."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool

from workbook_lib.kit.errors import NotFound

PROTO = """\
syntax = "proto3";
package shelf.v1;
import "google/api/annotations.proto";
service Books {
  rpc Get(GetRequest) returns (Book) { option (google.api.http) = {get: "/v1/{name=shelves/*/books/*}"}; }
  rpc Create(CreateRequest) returns (Book) {
    option (google.api.http) = {post: "/v1/shelves/{shelf}/books" body: "book"};
  }
  rpc Replace(Book) returns (Book) {
    option (google.api.http) = {put: "/v1/books/{id}" body: "*"
      additional_bindings {patch: "/v1/books/{id}" body: "*"}};
  }
  rpc Find(FindRequest) returns (FindRequest) { option (google.api.http) = {get: "/v1/books:find"}; }
  rpc Purge(GetRequest) returns (Book) {
    option (google.api.http) = {custom: {kind: "PURGE" path: "/v1/{name=books/**}"}};
  }
  rpc Internal(Book) returns (Book);
}
enum Cover { COVER_UNSPECIFIED = 0; COVER_HARD = 1; }
message Author { string name = 1; int32 born = 2; }
message Book {
  string id = 1; string title = 2; int32 pages = 3; Author author = 4; int64 isbn = 5; Cover cover = 6;
}
message GetRequest { string name = 1; }
message CreateRequest { string shelf = 1; Book book = 2; bool dry_run = 3; }
message FindRequest {
  string title = 1; repeated string tags = 2; Author author = 3; bool in_print = 4;
  Cover cover = 5; uint32 limit = 6;
}
"""


@pytest.fixture(scope="session")
def books(tmp_path_factory):
    """The descriptor of `shelf.v1.Books`."""
    return compile_service(tmp_path_factory.mktemp("proto"), PROTO, "Books")


def compile_service(folder, text, name):
    """The descriptor of a service, from the text of its .proto."""
    (folder / "some.proto").write_text(text)
    googleapis = Path(next(iter(find_spec("google.api").submodule_search_locations))).parents[1]
    command = [
        sys.executable,
        "-m",
        "grpc_tools.protoc",
        f"-I{folder}",
        f"-I{googleapis}",
        "--include_imports",
    ]
    subprocess.run([*command, f"--descriptor_set_out={folder / 'set'}", "some.proto"], check=True, timeout=60)
    pool = descriptor_pool.DescriptorPool()
    for file in descriptor_pb2.FileDescriptorSet.FromString((folder / "set").read_bytes()).file:
        pool.Add(file)
    return pool.FindFileByName("some.proto").services_by_name[name]


class Echo:
    """Stands where an RpcClient stands: keeps what it was asked, answers with it or with an error."""

    def __init__(self):
        self.asked = []
        self.error = None
        self.answer = None

    def stub(self):
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None

    def __getattr__(self, rpc):
        async def call(message):
            self.asked.append((rpc, message))
            if self.error:
                raise self.error
            return message if self.answer is None else self.answer

        return call


@pytest.fixture
def echo():
    return Echo()


@pytest.fixture
def missing():
    return NotFound("no such book")
