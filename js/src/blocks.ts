/** Draws the blocks of a row's page. Everything foreign is text, save for tables, which are sanitised. */

import { h, write } from "./dom";
import { highlighted } from "./highlight";
import type { Block, Sent, Text } from "./protocol";
import { sanitise } from "./sanitise";
import { count, number } from "./words";

/** Ask the kernel for a piece of a text. */
export type Fetch = (id: string, part: string, at: number, then: (piece: Text) => void) => void;

export interface Page {
  id: string;
  fetch: Fetch;
  /** Go to another row. */
  go: (id: string) => void;
}

const IMAGES = new Set(["image/png", "image/jpeg", "image/gif", "image/svg+xml"]);
const TONES: Record<string, string> = { guard: "warn", warning: "warn", redraw: "warn" };

export function draw(block: Block, page: Page): HTMLElement {
  switch (block.kind) {
    case "code":
      return section(block.label, text(block, page, "code"), copy(block));
    case "text":
      return section(block.label, text(block, page, block.prose ? "prose" : "plain"));
    case "traceback":
      return h("details", { class: "part" }, h("summary", {}, block.label), text(block, page, "plain"));
    case "image":
      return section("", image(block));
    case "html":
      return section(block.label, table(block));
    case "error":
      return error(block);
    case "names":
      return section(block.label, h("ul", { class: "names" }, ...block.items.map(name)));
    case "notes":
      return h("ul", { class: "notes part" }, ...block.items.map(([kind, said]) => h("li", { class: TONES[kind] ?? "" }, h("b", {}, kind), ` ${said}`)));
    case "facts":
      return h("dl", { class: "facts part" }, ...block.items.flatMap(([key, value]) => [h("dt", {}, key), h("dd", {}, value)]));
    case "links":
      return section(block.label, h("ul", { class: "links" }, ...block.items.map(([id, left, right]) => h("li", {}, h("button", { class: "link", onclick: () => page.go(id) }, h("span", { class: "x" }, left), ` ${right}`)))));
    case "messages":
      return messages(block, page);
  }
}

function section(label: string, ...content: HTMLElement[]): HTMLElement {
  return h("section", { class: "part" }, ...(label ? [h("h4", {}, label)] : []), ...content);
}

/** A text, and a button for its next piece while there is one. */
function text(block: Text & { part: string; id?: string }, page: Page, style: "code" | "plain" | "prose"): HTMLElement {
  const pre = h("pre", { class: style, tabindex: "0" });
  const put = (piece: Text): void => {
    if (style === "code") pre.append(highlighted(piece.text));
    else pre.append(piece.text);
  };
  put(block);
  const box = h("div", { class: "text" }, pre);
  more(box, block, block.next, (at, then) => page.fetch(block.id ?? page.id, block.part, at, then), put);
  return box;
}

function more(box: HTMLElement, whole: Text, next: number | null, fetch: (at: number, then: (piece: Text) => void) => void, put: (piece: Text) => void): void {
  if (next === null) return;
  const button = h("button", { class: "more" }, `Show more (${number(whole.length - next)} of ${count(whole.length, "character")} left)`);
  button.addEventListener("click", () => {
    write(button, "Fetching …");
    fetch(next, (piece) => {
      button.remove();
      put(piece);
      more(box, whole, piece.next, fetch, put);
    });
  });
  box.append(button);
}

function copy(block: Text): HTMLElement {
  const button = h("button", { class: "copy", "aria-label": "Copy the code" }, "Copy");
  button.addEventListener("click", () => {
    void navigator.clipboard?.writeText(block.text).then(() => {
      write(button, "Copied");
      setTimeout(() => write(button, "Copy"), 1500);
    });
  });
  return button;
}

/** As a data URI: a picture in an `img` runs no script, an SVG neither. */
function image(block: Extract<Block, { kind: "image" }>): HTMLElement {
  const mime = IMAGES.has(block.mime) ? block.mime : "image/png";
  const source = mime === "image/svg+xml" ? `data:${mime},${encodeURIComponent(block.data)}` : `data:${mime};base64,${block.data.replace(/[^A-Za-z0-9+/=]/g, "")}`;
  return h("img", { src: source, alt: block.label, title: block.label });
}

function table(block: Extract<Block, { kind: "html" }>): HTMLElement {
  const clean = sanitise(block.html);
  if (!clean.querySelector("table")) return h("pre", { class: "plain", tabindex: "0" }, block.plain || (clean.textContent ?? ""));
  const box = h("div", { class: "html", tabindex: "0" });
  box.append(clean);
  return box;
}

function error(block: Extract<Block, { kind: "error" }>): HTMLElement {
  const line = block.line ? h("span", { class: "dim" }, ` in line ${block.line}`) : "";
  const words = block.message ? `: ${block.message}` : "";
  return h("p", { class: `error part${block.interrupted ? " warn" : ""}` }, block.interrupted ? "■ " : "✗ ", h("b", {}, block.name), words, line);
}

function name([sign, called, rest]: [string, string, string]): HTMLElement {
  const tone = { "+": "ok", "-": "bad", "~": "warn", "=": "warn" }[sign] ?? "dim";
  return h("li", {}, h("span", { class: `sign ${tone}` }, sign), h("b", {}, called), h("span", { class: "dim" }, rest));
}

/** Messages as they were sent; each comes when it is opened. What the request before had too stands behind one line. */
function messages(block: Extract<Block, { kind: "messages" }>, page: Page): HTMLElement {
  const old = block.items.filter((item) => !item.new);
  const parts = block.items.filter((item) => item.new).map((item) => sent(item, block, page, block.open && item.length < 4000));
  if (old.length) {
    const words = `${count(old.length, "message")} that the request before had too`;
    parts.unshift(h("details", { class: "old" }, h("summary", {}, words), ...old.map((item) => sent(item, block, page, false))));
  }
  return section(block.label, ...parts);
}

function sent(item: Sent, block: { id: string }, page: Page, open: boolean): HTMLElement {
  const preview = h("span", { class: "preview" }, item.preview);
  const box = h("details", { class: "message" }, h("summary", {}, h("b", {}, item.role), h("span", { class: "dim" }, ` ${count(item.length, "character")} `), preview));
  const body = h("div", {}, h("p", { class: "dim" }, "Fetching …"));
  box.append(body);
  let asked = false;
  box.addEventListener("toggle", () => {
    if (!box.open || asked) return;
    asked = true;
    page.fetch(block.id, item.part, 0, (piece) => body.replaceChildren(text({ ...piece, part: item.part, id: block.id }, page, "prose")));
  });
  box.open = open;
  return box;
}
