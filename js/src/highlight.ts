/** Python code with its tokens coloured, as text in spans. */

import { classHighlighter, highlightCode } from "@lezer/highlight";
import { parser } from "@lezer/python";

export function highlighted(code: string): DocumentFragment {
  const fragment = document.createDocumentFragment();
  const put = (text: string, classes: string): void => {
    if (!classes) {
      fragment.append(text);
      return;
    }
    const span = document.createElement("span");
    span.className = classes;
    span.textContent = text;
    fragment.append(span);
  };
  highlightCode(code, parser.parse(code), classHighlighter, put, () => fragment.append("\n"));
  return fragment;
}
