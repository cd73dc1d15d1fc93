"""The short name of the extension: ``%load_ext rlm`` does what ``%load_ext rlm_kernel`` does.

A single file, never a package: where another distribution installs a package of this name, Python prefers the package,
so that neither breaks nor overwrites the other, and ``%load_ext rlm_kernel`` still works.
"""

from rlm_kernel import load_ipython_extension, unload_ipython_extension

__all__ = ["load_ipython_extension", "unload_ipython_extension"]
