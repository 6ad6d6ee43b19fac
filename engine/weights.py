"""`visema weights`: the weight files that ship or were fetched; their checksums and cards. Nothing in them is run.

Shipped files are sealed in engine/assets/weights.json: size, SHA-256 and the card that says data, steps, figures
and limits. Published HuBERT checkpoints can be fetched where a network allows: a download is read as tensors only,
checked against HuBERT's structure, and kept as safetensors with a card that says where it came from.
"""

import argparse
import hashlib
import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.errors import WeightsError
from engine.features.checkpoint import MODEL, read_metadata

ROOT = Path(__file__).parents[1]
SEALS = ROOT / "engine" / "assets" / "weights.json"
LARGEST = 6 << 30  # bytes; more is no HuBERT


@dataclass(frozen=True)
class Published:
    """A checkpoint of others: where it lies, under which licence. No checksum is published beside them: that of the
    first download is kept in the card, and `verify` compares with it."""

    url: str
    licence: str
    about: str


PUBLISHED = {
    "hubert-base": Published(
        "https://download.pytorch.org/torchaudio/models/hubert_fairseq_base_ls960.pth",
        "MIT (fairseq)", "HuBERT base, LibriSpeech 960 h; torchaudio layout",
    ),
    "hubert-large": Published(
        "https://download.pytorch.org/torchaudio/models/hubert_fairseq_large_ll60k.pth",
        "MIT (fairseq)", "HuBERT large, Libri-Light 60 kh; torchaudio layout",
    ),
    "hubert-base-fairseq": Published(
        "https://dl.fbaipublicfiles.com/hubert/hubert_base_ls960.pt",
        "MIT (fairseq)", "the same base model; fairseq layout",
    ),
    "hubert-soft": Published(
        "https://github.com/bshall/hubert/releases/download/v0.1/hubert-soft-0d54a1f4.pt",
        "MIT", "HuBERT-soft: base with a head of soft units",
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Sealed:
    """A weight file with what is known of it. sha256 is empty when nobody sealed it."""

    name: str
    path: Path
    card: Path
    sha256: str
    size: int


def cache() -> Path:
    """Where fetched weights lie."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "visema" / "weights"


def shipped() -> list[Sealed]:
    """The sealed files of this copy."""
    table = json.loads(SEALS.read_text(encoding="utf-8"))
    return [Sealed(name, ROOT / r["path"], ROOT / r["card"], r["sha256"], r["size"]) for name, r in table.items()]


def fetched() -> list[Sealed]:
    """What was fetched before: safetensors with a card beside them."""
    found = []
    for path in sorted(cache().glob("*.safetensors")):
        card = path.with_suffix(".md")
        seal = {}
        if card.is_file():
            seal = dict(line.split(": ", 1) for line in card.read_text(encoding="utf-8").splitlines() if ": " in line)
        found.append(Sealed(path.stem, path, card, seal.get("SHA-256", ""), int(seal.get("Bytes", 0))))
    return found


def verify(file: Sealed) -> str:
    """What the file is, in a word or two. Raises WeightsError when it is not what was sealed, or has no card."""
    if not file.path.is_file():
        raise WeightsError(f"{file.path}: missing")
    size = file.path.stat().st_size
    if file.sha256 and size != file.size:
        raise WeightsError(f"{file.path}: {size} bytes, sealed were {file.size} (truncated, or another file)")
    if file.sha256 and (found := checksum(file.path)) != file.sha256:
        raise WeightsError(f"{file.path}: SHA-256 {found[:16]}..., sealed was {file.sha256[:16]}...")
    if not file.card.is_file() or len(file.card.read_text(encoding="utf-8").strip()) < 80:
        raise WeightsError(f"{file.path}: no card ({file.card.name}) that says where it comes from")
    model = read_metadata(file.path).get(MODEL)
    if model is None:
        raise WeightsError(f"{file.path}: not a safetensors file that names its model")
    return model if file.sha256 else f"{model}, never sealed"


def seal() -> None:
    """Write down size and checksum of the shipped files as they are now: after a training, before a commit."""
    table = json.loads(SEALS.read_text(encoding="utf-8"))
    for row in table.values():
        path = ROOT / row["path"]
        row.update(sha256=checksum(path), size=path.stat().st_size)
    SEALS.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")


def checksum(path: Path) -> str:
    """SHA-256 in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fetch(name: str, source: str | None = None, allow_pickle: bool = False) -> Path:
    """A published checkpoint into the cache, as safetensors with a card. Raises WeightsError.

    source: a file or address instead of the published one.
    """
    from engine.features.hubert.checkpoint import load_hubert, save_hubert

    known = PUBLISHED.get(name)
    if source is None and known is None:
        raise WeightsError(f"no published weights {name!r}; there are {', '.join(PUBLISHED)}, or give --from")
    address = source or (known.url if known else "")
    target = cache() / f"{name}.safetensors"
    target.parent.mkdir(parents=True, exist_ok=True)
    if "://" in address:
        download = target.with_suffix(".download")
        _download(address, download, name)
    else:
        download = Path(address)
    try:
        model = load_hubert(download, allow_pickle)
        partial = target.with_suffix(".partial")
        save_hubert(model, partial)
        digest = checksum(download)
        partial.rename(target)
    finally:
        if "://" in address:
            download.unlink(missing_ok=True)
    card = (
        f"# {name}\n\n{known.about if known else 'A HuBERT checkpoint of your own choice.'}\n\n"
        f"Source: {address}\nLicence: {known.licence if known else 'unknown to us: ask its source'}\n"
        f"SHA-256 of the source: {digest}\nFetched: {time.strftime('%Y-%m-%d')}\n"
        f"SHA-256: {checksum(target)}\nBytes: {target.stat().st_size}\n"
    )
    target.with_suffix(".md").write_text(card, encoding="utf-8")
    return target


def _download(url: str, target: Path, name: str) -> None:
    if not url.startswith(("https://", "http://127.0.0.1")):
        raise WeightsError(f"{url}: only https addresses and files are fetched")
    taken = 0
    try:
        with urllib.request.urlopen(url, timeout=30) as answer, target.open("wb") as file:
            while block := answer.read(1 << 20):
                taken += len(block)
                if taken > LARGEST:
                    raise WeightsError(f"{url}: more than {LARGEST >> 30} GiB; that is no HuBERT")
                file.write(block)
            promised = int(answer.headers.get("Content-Length") or taken)
    except (OSError, urllib.error.URLError, ValueError) as error:
        target.unlink(missing_ok=True)
        raise WeightsError(
            f"{url} cannot be fetched from here ({error}). Fetch it elsewhere, then: "
            f"visema weights fetch {name} --from FILE"
        ) from error
    if promised != taken:
        target.unlink(missing_ok=True)
        raise WeightsError(f"{url}: {taken} of {promised} bytes came; try again")


def main(argv: Sequence[str]) -> int:
    """Command line of `visema weights`; 1 when a file is not what was sealed."""
    parser = argparse.ArgumentParser(prog="visema weights", description=__doc__)
    what = parser.add_subparsers(dest="what", metavar="WHAT", required=True)
    what.add_parser("list", help="what ships, what was fetched, what can be fetched")
    what.add_parser("verify", help="checksum, card and format of every file here")
    what.add_parser("seal", help="write down the checksums of the shipped files (after a training)")
    one = what.add_parser("fetch", help="a published HuBERT checkpoint, kept as safetensors")
    one.add_argument("name", metavar="NAME", help=", ".join(PUBLISHED))
    one.add_argument("--from", dest="source", metavar="FILE", help="a file that is already here, or an https address")
    one.add_argument("--allow-pickle", action="store_true", help="read a pickled file (its tensors only)")
    options = parser.parse_args(argv)
    if options.what == "fetch":
        print(fetch(options.name, options.source, options.allow_pickle))
    elif options.what == "seal":
        seal()
    elif options.what == "list":
        for file in [*shipped(), *fetched()]:
            print(f"{file.name:<22}{file.size / 2**20:7.1f} MiB  {file.path}")
        for name, published in PUBLISHED.items():
            print(f"{name:<22}{'':>11}  to fetch: {published.about} ({published.licence})")
    else:
        return max([_report(file) for file in [*shipped(), *fetched()]], default=0)
    return 0


def _report(file: Sealed) -> int:
    try:
        print(f"good   {file.name:<22}{verify(file)}")
        return 0
    except WeightsError as error:
        print(f"WRONG  {file.name:<22}{error}")
        return 1
