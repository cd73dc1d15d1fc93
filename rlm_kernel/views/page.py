"""A run as one page of HTML that stands alone: it loads nothing, runs nothing and sends nothing."""

from __future__ import annotations

from rlm_kernel.trajectory.tree import Tree
from rlm_kernel.views.cut import one_line
from rlm_kernel.views.escape import encodable
from rlm_kernel.views.html import render
from rlm_kernel.views.markup import escaped

_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
"""Whatever a text might smuggle in, the browser neither loads nor runs it."""
_STYLE = (
    ":root{color-scheme:light dark}body{margin:24px;font-family:system-ui,sans-serif}"
    "summary{cursor:pointer}pre{white-space:pre-wrap;overflow-wrap:anywhere}"
)


def page(tree: Tree) -> str:
    """The page's source."""
    title = one_line(tree.root.started.question, 80) if tree.runs else "no run yet"
    head = [
        '<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escaped(title)}</title>",
        f"<style>{_STYLE}</style>",
    ]
    lines = [
        "<!DOCTYPE html>",
        '<html lang="en">',
        "<head>",
        *head,
        "</head>",
        "<body>",
        render(tree),
        "</body>",
        "</html>",
    ]
    return encodable("\n".join(lines) + "\n")
