/** Makes elements. Foreign text goes in as text and nothing else. */

type Props = Record<string, string | number | boolean | ((event: never) => void) | undefined | null>;

/** `h("button", {class: "x", "aria-label": "Stop", onclick: stop}, "Stop")`. */
export function h<K extends keyof HTMLElementTagNameMap>(tag: K, props: Props = {}, ...children: (Node | string)[]): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (typeof value === "function") element.addEventListener(name.slice(2), value as EventListener);
    else set(element, name, value);
  }
  element.append(...children);
  return element;
}

/** Set an attribute, or take it away; touches the page only if that changes something. */
export function set(element: Element, name: string, value: string | number | boolean | undefined | null): void {
  if (value === undefined || value === null || value === false) {
    if (element.hasAttribute(name)) element.removeAttribute(name);
    return;
  }
  const text = value === true ? "" : String(value);
  if (element.getAttribute(name) !== text) element.setAttribute(name, text);
}

export function write(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}
