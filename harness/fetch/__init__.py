"""Download of one file, verified before anybody can see it, and safe unpacking of archives.

A broken connection is taken up where it broke (Range with If-Range), a wrong digest never gets the
file's name, and unpacking cannot write or point outside its directory. Whoever downloads says how large the file may be.
"""

from harness.fetch.files import FileSink, download, unpack
from harness.fetch.streams import ARCHIVE, ATTEMPTS, CHUNK, TEXT, DownloadProgress, Sink, stream

__all__ = [
    "ARCHIVE", "ATTEMPTS", "CHUNK", "TEXT", "DownloadProgress", "FileSink", "Sink", "download", "stream", "unpack",
]  # fmt: skip
