"""The scripts of workers that are put together of several files."""

from pathlib import Path

WEB = Path(__file__).parent
#: The npm package with an incremental SHA-256: WebCrypto has none.
HASH_WASM = WEB / "node_modules/hash-wasm"
_OWN = WEB.parent / "pyapp/authmedia/browser/decryption-worker.js"
_SHA256 = HASH_WASM / "dist/sha256.umd.min.js"


def decryption_worker() -> str:
    """Returns the script of `authmedia.browser.decryption_worker`: hash-wasm, its licence, and the library's own."""
    licence = (HASH_WASM / "LICENSE").read_text(encoding="utf-8").strip()
    sha256 = _SHA256.read_text(encoding="utf-8").strip()
    return f"/*\n{licence}\n*/\n{sha256}\n{_OWN.read_text(encoding='utf-8')}"
