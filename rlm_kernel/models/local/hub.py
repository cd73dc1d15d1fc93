"""The way out where data packages are missing: the publisher's file on the Hugging Face hub, if it can be reached."""

from __future__ import annotations

import importlib.util
import shutil
import threading
from pathlib import Path

from rlm_kernel.models.local.progress import Progress
from rlm_kernel.models.local.table import Weights

_REQUEST_SECONDS = 5.0
_REACH_SECONDS = 8.0
"""How long the hub has to show that it is there; a name look-up knows no time-out of its own."""


def fetch(weights: Weights, partial: Path, progress: Progress) -> str | None:
    """Download the file to `partial`; its hash is for the caller to check.

    Returns:
        None if the file is there, else why not, in a few words.
    """
    if importlib.util.find_spec("huggingface_hub") is None:
        return "and huggingface_hub is not installed"
    progress("asking the Hugging Face hub for the weights", None)
    if not _reachable(weights):
        return "and the Hugging Face hub cannot be reached"
    import huggingface_hub

    progress(f"downloading {weights.size / 1e9:.1f} GB from the Hugging Face hub", None)
    place = partial.with_name(f"{weights.file}.hub")
    try:
        fetched = huggingface_hub.hf_hub_download(weights.repository, weights.file, local_dir=place, token=False)
    except Exception as exc:
        # Whatever the library raises, the way out is the same; its kind is in the message.
        return f"and the download from the Hugging Face hub failed with {type(exc).__name__}"
    Path(fetched).replace(partial)
    shutil.rmtree(place, ignore_errors=True)  # kept after a failure: the next download goes on from there
    return None


def _reachable(weights: Weights) -> bool:
    """Whether the hub offers the very file, asked in a thread that may be left behind."""
    answers: list[bool] = []

    def ask() -> None:
        try:
            import huggingface_hub

            url = huggingface_hub.hf_hub_url(weights.repository, weights.file)
            metadata = huggingface_hub.get_hf_file_metadata(url, token=False, timeout=_REQUEST_SECONDS)
        except Exception:  # noqa: S110  # no answer is the answer: offline, blocked and unknown all count as unreachable
            pass
        else:
            answers.append(metadata.size == weights.size)

    thread = threading.Thread(target=ask, name="rlm-hub", daemon=True)
    thread.start()
    thread.join(_REACH_SECONDS)
    return answers == [True]
