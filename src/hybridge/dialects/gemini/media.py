"""Media types, as this dialect and the neutral types name them."""

from __future__ import annotations

import re
from typing import Literal

MediaKind = Literal["image", "audio", "video", "file"]

#: Endings of addresses whose media type nobody says.
_BY_ENDING = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "gif": "image/gif",
    "webp": "image/webp",
    "heic": "image/heic",
    "pdf": "application/pdf",
    "txt": "text/plain",
    "md": "text/markdown",
    "html": "text/html",
    "csv": "text/csv",
    "json": "application/json",
    "mp3": "audio/mpeg",
    "wav": "audio/wav",
    "mp4": "video/mp4",
    "webm": "video/webm",
}
#: How the base64 of an image begins.
_BY_BEGINNING = {
    "iVBOR": "image/png",
    "/9j/": "image/jpeg",
    "R0lGOD": "image/gif",
    "UklGR": "image/webp",
}
_AUDIO_FORMATS = {"mpeg": "mp3", "mpga": "mp3", "x-wav": "wav", "wave": "wav", "x-m4a": "m4a"}
_AUDIO_TYPES = {"mp3": "audio/mpeg"}
_DATA_URL = re.compile(r"data:([^;,]*)(?:;[^,]*)?;base64,", re.IGNORECASE)
_HOSTED = re.compile(r"https?://(?!generativelanguage\.googleapis\.com/|(?:www\.)?youtube\.com/|youtu\.be/)", re.I)


def kind_of(media_type: str) -> MediaKind:
    """What sort of medium a media type is."""
    head = media_type.partition("/")[0].lower()
    if head == "image":
        return "image"
    if head == "audio":
        return "audio"
    return "video" if head == "video" else "file"


def type_at(address: str) -> str:
    """The media type that an address promises by its ending, empty if none."""
    path = address.partition("?")[0].partition("#")[0]
    return _BY_ENDING.get(path.rpartition(".")[2].lower(), "")


def type_of_image(data: str) -> str:
    """The media type of base64 data, by its beginning."""
    for beginning, media_type in _BY_BEGINNING.items():
        if data.startswith(beginning):
            return media_type
    return "image/jpeg"


def is_public(address: str) -> bool:
    """Whether anybody can fetch an address: Google's own files, buckets and videos only Google can."""
    return _HOSTED.match(address) is not None


def from_data_url(address: str) -> tuple[str, str] | None:
    """Media type and base64 data of a data URL, `None` if it is none."""
    found = _DATA_URL.match(address)
    return (found[1], address[found.end() :]) if found else None


def standard_base64(data: str) -> str:
    """Base64 as other dialects want it: proto-JSON takes the URL-safe alphabet too, and needs no padding."""
    if "-" in data or "_" in data:
        data = data.replace("-", "+").replace("_", "/")
    return data + "=" * (-len(data) % 4)


def audio_format(media_type: str) -> str:
    """`mp3` for `audio/mpeg`."""
    name = media_type.partition("/")[2].partition(";")[0].lower()
    return _AUDIO_FORMATS.get(name, name)


def audio_type(name: str) -> str:
    """`audio/mpeg` for `mp3`."""
    return _AUDIO_TYPES.get(name, f"audio/{name}")
