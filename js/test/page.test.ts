import assert from "node:assert/strict";
import { test } from "node:test";
import { JSDOM } from "jsdom";
import { draw, type Page } from "../src/blocks";
import type { Block } from "../src/protocol";
import { sanitise } from "../src/sanitise";

const { window } = new JSDOM("<!doctype html><body></body>");
Object.assign(globalThis, { window, document: window.document, Node: window.Node });

const page: Page = { id: "r1s1", fetch: () => undefined, go: () => undefined };
const drawn = (block: Block): HTMLElement => draw(block, page);
const text = (words: string): Block => ({ kind: "text", label: words, part: "output", text: words, length: words.length, next: null });

const HOSTILE = [
  "<script>alert(1)</script>",
  "<img src=x onerror=alert(1)>",
  "</details></pre></div><h1>out</h1>",
  '"><svg onload=alert(1)>',
  "<a href='javascript:alert(1)'>x</a>",
  "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
  "<form action=/x><input name=y><button>z</button></form>",
  "<style>body{display:none}</style><link rel=stylesheet href=x>",
  "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
  "<table background='javascript:1'><td style='position:fixed' onclick=x id=a class=b data-c=d>1</td></table>",
];
const INERT = new Set(["TABLE", "THEAD", "TBODY", "TR", "TH", "TD", "H1", "DIV", "PRE", "DETAILS", "P", "SPAN"]);

test("of foreign markup only tables and plain words get through, with nothing that acts", () => {
  for (const html of [...HOSTILE, HOSTILE.join("")]) {
    const box = window.document.createElement("div");
    box.append(sanitise(html, window as never));
    for (const element of box.querySelectorAll("*")) {
      assert.ok(INERT.has(element.tagName), `${element.tagName} of ${html}`);
      assert.deepEqual(element.getAttributeNames().filter((name) => !["colspan", "rowspan", "scope"].includes(name)), [], html);
    }
  }
});

test("a pandas table keeps its shape and loses its style sheet", () => {
  const html = "<div><style scoped>.dataframe{color:red}</style><table border='1' class='dataframe'><tr><th colspan='2'>a</th></tr><tr><td>1</td><td>2</td></tr></table></div>";
  const element = drawn({ kind: "html", label: "Output", html, plain: "a" });
  assert.equal(element.querySelectorAll("td").length, 2);
  assert.equal(element.querySelector("th")!.getAttribute("colspan"), "2");
  assert.ok(!element.textContent!.includes("red"));
});

test("markup that holds no table is shown as its text", () => {
  const element = drawn({ kind: "html", label: "Output", html: "<b>bold</b>", plain: "bold words" });
  assert.equal(element.querySelector("pre")!.textContent, "bold words");
});

test("texts, names, errors, messages and labels are text, whatever they hold", () => {
  for (const words of HOSTILE) {
    const blocks: Block[] = [
      text(words),
      { kind: "code", label: words, part: "code", text: words, length: words.length, next: null },
      { kind: "error", name: words, message: words, line: 1, interrupted: false },
      { kind: "names", label: words, items: [["+", words, words]] },
      { kind: "notes", items: [[words, words]] },
      { kind: "facts", items: [[words, words]] },
      { kind: "links", label: words, items: [["c1", words, words]] },
      { kind: "messages", id: "c1", label: words, open: false, items: [{ part: "sent.0", role: words, length: 1, preview: words, new: true }] },
    ];
    for (const block of blocks) {
      const element = drawn(block);
      assert.equal(element.querySelectorAll("script, img, svg, iframe, a, form, style, h1").length, 0);
      assert.ok(element.textContent!.includes(words));
    }
  }
});

test("a figure is an image from data, and nothing else can be put into its address", () => {
  const source = (mime: string, data: string): string => drawn({ kind: "image", mime, data, label: "" }).querySelector("img")!.src;
  assert.equal(source("image/png", "aGk=\n"), "data:image/png;base64,aGk=");
  assert.ok(source("text/html", "<script>").startsWith("data:image/png;base64,script"));
  assert.ok(source("image/svg+xml", "<svg onload=x>").startsWith("data:image/svg+xml,%3Csvg"));
});

test("a long text asks for its next piece only when somebody wants it", () => {
  const asked: [string, string, number][] = [];
  const block: Block = { kind: "text", label: "Output", part: "output", text: "abc", length: 9, next: 3 };
  const element = draw(block, { ...page, fetch: (id, part, at, then) => { asked.push([id, part, at]); then({ text: "def", length: 9, next: at + 3 < 9 ? at + 3 : null }); } });
  assert.deepEqual(asked, []);
  const more = (): HTMLButtonElement | null => element.querySelector("button.more");
  more()!.click();
  assert.deepEqual(asked, [["r1s1", "output", 3]]);
  more()!.click();
  assert.equal(more(), null);
  assert.equal(element.querySelector("pre")!.textContent, "abcdefdef");
});

test("a message comes when it is opened, once", () => {
  let asked = 0;
  const block: Block = { kind: "messages", id: "c7", label: "Sent", open: false, items: [{ part: "sent.0", role: "user", length: 1_000_000, preview: "long", new: true }] };
  const element = draw(block, { ...page, fetch: (id, part, _at, then) => { asked++; assert.deepEqual([id, part], ["c7", "sent.0"]); then({ text: "whole", length: 5, next: null }); } });
  const message = element.querySelector("details")!;
  assert.equal(asked, 0);
  message.open = true;
  message.dispatchEvent(new window.Event("toggle"));
  message.dispatchEvent(new window.Event("toggle"));
  assert.equal(asked, 1);
  assert.equal(message.querySelector("pre")!.textContent, "whole");
});
