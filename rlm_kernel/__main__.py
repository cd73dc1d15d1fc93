"""The command line: ``python -m rlm_kernel -f FILE`` starts the kernel, ``install`` registers it with Jupyter."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rlm_kernel._version import __version__

KERNEL_NAME = "rlm"


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; gives the exit status."""
    parser = _parser()
    given, rest = parser.parse_known_args(argv)
    if given.connection_file is not None:
        return _launch(["-f", given.connection_file, *rest])
    if rest:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    command: Callable[[argparse.Namespace], int] | None = given.command
    if command is None:
        parser.print_help()
        return 0
    return command(given)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m rlm_kernel",
        description="Recursive Language Models in the notebook: the kernel and its registration.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"rlm-kernel {__version__}")
    parser.add_argument(
        "-f",
        dest="connection_file",
        metavar="FILE",
        help="start the kernel with this connection file; all further options are ipykernel's",
    )
    parser.set_defaults(command=None)
    _add_install(parser.add_subparsers(title="commands", metavar="COMMAND"))
    return parser


def _add_install(commands: Any) -> None:
    install = commands.add_parser(
        "install",
        help="register the kernel with Jupyter, to run on this very Python",
        description="Register the kernel with Jupyter, to run on this very Python: where Jupyter runs from another "
        "environment than the one that rlm-kernel is installed in.",
        allow_abbrev=False,
    )
    where = install.add_mutually_exclusive_group(required=True)
    where.add_argument("--user", action="store_true", help="for this user")
    where.add_argument(
        "--sys-prefix", dest="prefix", action="store_const", const=sys.prefix, help="for this Python's environment"
    )
    where.add_argument("--prefix", metavar="DIR", help="for the environment in this directory")
    install.set_defaults(command=_install)


def _install(given: argparse.Namespace) -> int:
    from jupyter_client.kernelspec import KernelSpecManager

    try:
        with tempfile.TemporaryDirectory() as made:
            _write_spec(Path(made))
            place = KernelSpecManager().install_kernel_spec(made, KERNEL_NAME, user=given.user, prefix=given.prefix)
    except OSError as exc:
        print(f"the kernel cannot be registered: {exc}; try --user or another --prefix", file=sys.stderr)  # noqa: T201 - for the user
        return 1
    print(f"the kernel {KERNEL_NAME!r} is registered in {place}")  # noqa: T201 - for the user
    return 0


def _write_spec(folder: Path) -> None:
    """Copy the shipped kernelspec, with this very Python in it and all that its ipykernel can do."""
    from ipykernel.kernelspec import get_kernel_dict

    for file in _shipped_spec():
        (folder / file.name).write_bytes(file.read_bytes())
    described = folder / "kernel.json"
    spec = json.loads(described.read_text(encoding="utf-8"))
    spec["argv"][0] = sys.executable
    spec["metadata"] |= get_kernel_dict()["metadata"]
    described.write_text(json.dumps(spec, indent=1) + "\n", encoding="utf-8")


def _shipped_spec() -> list[Path]:
    """The files of the kernelspec: where the wheel has put them, or those of a checkout that is not installed."""
    from importlib import metadata

    try:
        installed = metadata.files("rlm-kernel") or []
    except metadata.PackageNotFoundError:
        installed = []
    files = [Path(str(file.locate())) for file in installed if file.parent.parts[-2:] == ("kernels", KERNEL_NAME)]
    checkout = Path(__file__).parents[1] / "kernelspec" / KERNEL_NAME
    return [file for file in files if file.exists()] or sorted(checkout.iterdir())


def _launch(argv: list[str]) -> int:
    from ipykernel.kernelapp import IPKernelApp

    from rlm_kernel.kernel import RLMKernel

    IPKernelApp.launch_instance(argv=argv, kernel_class=RLMKernel)
    return 0


if __name__ == "__main__":
    sys.exit(main())
