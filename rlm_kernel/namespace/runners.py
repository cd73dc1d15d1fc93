"""The two ways to run code: in a shell and plainly."""

from rlm_kernel.namespace.plain import PlainRunner
from rlm_kernel.namespace.shell import ShellRunner

__all__ = ["PlainRunner", "ShellRunner"]
