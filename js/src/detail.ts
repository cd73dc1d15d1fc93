/** The page of the chosen row, beside the tree. */

import { draw, type Fetch, type Page } from "./blocks";
import { h, set, write } from "./dom";
import type { Block, Detail } from "./protocol";
import type { Node, Store } from "./store";
import { MARKS, duration, money, remarks, short, stateWord } from "./words";

const TABS: Record<string, [part: string, name: string][]> = {
  run: [["", "Overview"], ["usage", "Usage"]],
  step: [["", "Code"], ["messages", "Messages"], ["usage", "Usage"]],
  batch: [["", "Overview"], ["usage", "Usage"]],
  call: [["", "Messages"], ["usage", "Usage"]],
  ask: [["", "Messages"], ["usage", "Usage"]],
};
/** Milliseconds between two requests for the page of a row that changes. */
const AGAIN = 700;

export class DetailView {
  readonly element: HTMLElement;
  readonly top = h("div", { class: "gate-place" });
  private readonly title = h("h3", {});
  private readonly facts = h("p", { class: "line" });
  private readonly tabs = h("div", { class: "tabs", role: "tablist", "aria-label": "Parts of the row" });
  private readonly live = h("pre", { class: "prose writing", "aria-label": "What the model is writing" });
  private readonly body = h("div", { class: "blocks" });
  private readonly panel: HTMLElement;
  private node: Node | null = null;
  private part = "";
  private fresh = "";
  private asked = 0;
  private shown = "";
  private timer: ReturnType<typeof setTimeout> | undefined;
  private readonly waiting = new Map<string, ((detail: Detail) => void)[]>();

  constructor(
    private readonly store: Store,
    private readonly prefix: string,
    private readonly ask: (id: string, part: string, at: number) => void,
    private readonly go: (id: string) => void,
  ) {
    this.panel = h("div", { class: "panel", role: "tabpanel", tabindex: "0", id: `${prefix}-panel` }, this.live, this.body);
    this.element = h("section", { class: "detail", "aria-label": "The chosen row" }, this.top, h("header", {}, this.title, this.facts), this.tabs, this.panel);
    this.tabs.addEventListener("keydown", (event) => this.key(event));
  }

  show(node: Node): void {
    if (node === this.node) return;
    const parts = TABS[node.kind]!;
    if (!parts.some(([part]) => part === this.part)) this.part = "";
    this.node = node;
    this.forget();
    this.drawTabs();
    this.paint();
  }

  /** Take an answer of the kernel. */
  take(detail: Detail): void {
    const key = `${detail.id}|${detail.part}|${detail.at}`;
    const waiting = this.waiting.get(key) ?? [];
    this.waiting.delete(key);
    for (const then of waiting) then(detail);
    if (detail.blocks && this.node?.id === detail.id && this.part === detail.part) this.draw(detail.blocks);
  }

  paint(): void {
    const node = this.node;
    this.element.classList.toggle("nothing", node === null);
    if (!node) return;
    const kind = node.kind === "step" ? `Step ${node.no ?? 0}` : { run: node.up ? "Child run" : "Run", batch: "Batch", call: "Sub-call", ask: "Request" }[node.kind];
    write(this.title, `${kind} · ${node.title}`);
    set(this.title, "title", node.title);
    const tokens = (node.in ?? 0) + (node.out ?? 0);
    const facts = [`${MARKS[node.state]} ${stateWord(node.state)}`, duration(this.store.seconds(node))];
    if (tokens) facts.push(`${short(tokens)} tokens`);
    if (node.cost) facts.push(money(node.cost));
    facts.push(...remarks(node).map((part) => part.text));
    write(this.facts, facts.join(" · "));
    set(this.facts, "data-state", node.state);
    this.writing(node);
    const fresh = JSON.stringify([node.id, this.part, node.state, node.x0, node.x1, node.t1, node.done, node.failed, node.notes, node.asks.map((ask) => ask.state)]);
    if (fresh !== this.fresh) this.request(fresh);
  }

  private writing(node: Node): void {
    const { step, text } = this.store.writing;
    const live = node.kind === "step" && node.level === 2 && node.no === step && node.state === "running" && this.part !== "usage" ? text : "";
    this.live.hidden = !live;
    if (this.live.textContent === live) return;
    const low = this.panel.scrollHeight - this.panel.scrollTop - this.panel.clientHeight < 40;
    this.live.textContent = live;
    if (live && low) this.panel.scrollTop = this.panel.scrollHeight;
  }

  private request(fresh: string): void {
    if (!this.node || this.timer !== undefined) return;
    const rest = this.asked + AGAIN - performance.now();
    const send = (): void => {
      this.timer = undefined;
      if (!this.node) return;
      this.asked = performance.now();
      this.ask(this.node.id, this.part, 0);
    };
    this.fresh = fresh;
    if (rest <= 0 || !this.shown) send();
    else this.timer = setTimeout(send, rest);
  }

  private draw(blocks: Block[]): void {
    const shown = JSON.stringify(blocks);
    if (shown === this.shown) return;
    const first = !this.shown;
    this.shown = shown;
    const scroll = this.panel.scrollTop;
    const open = this.opened();
    const page: Page = { id: this.node!.id, fetch: this.fetch, go: this.go };
    this.body.replaceChildren(...blocks.map((block) => draw(block, page)));
    if (!blocks.length && this.live.hidden) this.body.append(h("p", { class: "dim part" }, this.node?.kind === "step" && this.part === "" ? "No code yet." : "Nothing yet."));
    if (first) this.panel.scrollTop = 0;
    else {
      this.body.querySelectorAll("details").forEach((each, index) => {
        if (open[index]) each.open = true;
      });
      this.panel.scrollTop = scroll;
    }
  }

  private opened(): boolean[] {
    return [...this.body.querySelectorAll("details")].map((each) => each.open);
  }

  private readonly fetch: Fetch = (id, part, at, then) => {
    const key = `${id}|${part}|${at}`;
    const waiting = this.waiting.get(key);
    const take = (detail: Detail): void => {
      if (detail.text !== undefined) then({ text: detail.text, length: detail.length ?? detail.text.length, next: detail.next ?? null });
    };
    if (waiting) waiting.push(take);
    else this.waiting.set(key, [take]);
    this.ask(id, part, at);
  };

  private forget(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.fresh = this.shown = "";
    this.body.replaceChildren(h("p", { class: "dim part" }, "Fetching …"));
  }

  private drawTabs(): void {
    const parts = TABS[this.node!.kind]!;
    this.tabs.replaceChildren(
      ...parts.map(([part, name]) => {
        const on = part === this.part;
        return h("button", { role: "tab", id: `${this.prefix}-tab-${part}`, "aria-selected": String(on), "aria-controls": `${this.prefix}-panel`, tabindex: on ? "0" : "-1", onclick: () => this.turn(part) }, name);
      }),
    );
    set(this.panel, "aria-labelledby", `${this.prefix}-tab-${this.part}`);
  }

  private turn(part: string): void {
    if (part === this.part) return;
    this.part = part;
    this.forget();
    this.drawTabs();
    this.paint();
  }

  private key(event: KeyboardEvent): void {
    const parts = TABS[this.node?.kind ?? "run"]!;
    const at = parts.findIndex(([part]) => part === this.part);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: parts.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    this.turn(parts[(to + parts.length) % parts.length]![0]);
    this.tabs.querySelector<HTMLElement>('[aria-selected="true"]')?.focus();
  }
}
