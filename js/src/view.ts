/** One view of a run: the parts put together, the keys, and when to draw. */

import { Bar } from "./bar";
import { DetailView } from "./detail";
import { h, set, write } from "./dom";
import { Gate } from "./gate";
import { LETTERS } from "./keys";
import { matching, type Filter } from "./outline";
import type { Action, Detail, ToKernel } from "./protocol";
import type { Node, Store } from "./store";
import { Timeline } from "./timeline";
import { TreeView } from "./tree";
import { number } from "./words";

const FILTERS: [Filter, string, string][] = [
  ["all", "All", "Every row"],
  ["failed", "Failed", "What failed or was stopped"],
  ["slow", "Slow", "The slowest tenth of calls and steps, where much slower than the rest"],
  ["costly", "Costly", "The dearest tenth of calls and steps, where much dearer than the rest"],
];
const HELP: [string, string][] = [
  ["↑ ↓ Home End", "choose a row"],
  ["→ ←", "open, close, go in, go out"],
  ["/", "search"],
  ["F", "follow the newest step"],
  ["C, O", "close all, open all"],
  ["P R S I X", "pause, resume, step, step into, stop"],
  ["A E K J", "approve, edit, skip, reject"],
];
/** Milliseconds between two looks at a running clock. */
const CLOCK = 250;
let views = 0;

export class View {
  readonly element: HTMLElement;
  private readonly prefix = `rlm${++views}`;
  private readonly bar: Bar;
  private readonly tree: TreeView;
  private readonly detail: DetailView;
  private readonly gate: Gate;
  private readonly timeline: Timeline;
  private readonly chips = new Map<Filter, HTMLButtonElement>();
  private readonly search = h("input", { type: "search", class: "search", placeholder: "Search", "aria-label": "Search the rows" });
  private readonly followed = h("button", { type: "button", class: "tool", title: "Keep the newest step chosen (F)" }, "Follow");
  private readonly help = h("dl", { class: "help", hidden: true }, ...HELP.flatMap(([keys, what]) => [h("dt", {}, keys), h("dd", {}, what)]));
  private follow = true;
  private queued = false;
  private counted = "";
  private readonly clock: ReturnType<typeof setInterval>;
  private readonly size: ResizeObserver;

  constructor(
    private readonly store: Store,
    send: (message: ToKernel) => void,
  ) {
    const control = (action: Action, more: { code?: string; reason?: string } = {}): void => send({ type: "control", action, ...more });
    this.bar = new Bar(store, control);
    this.tree = new TreeView(store, this.prefix, (node, byHand) => this.chosen(node, byHand), () => this.kick());
    this.detail = new DetailView(store, this.prefix, (id, part, at) => send({ type: "detail", id, part, at }), (id) => this.go(id));
    this.gate = new Gate(this.detail.top, control);
    this.timeline = new Timeline(store, (node) => this.tree.choose(node, true));
    const split = h("div", { class: "split" }, h("div", { class: "left" }, this.toolbar(), this.tree.element), this.detail.element);
    // JupyterLab has shortcuts of one letter ("x" cuts the cell); this keeps them from what is typed in here.
    this.element = h("section", { class: "rlm-live", "aria-label": "RLM run", "data-lm-suppress-shortcuts": "true", onkeydown: (event: KeyboardEvent) => this.key(event) }, h("div", { class: "frame" }, this.bar.element, split, this.timeline.element));
    this.clock = setInterval(() => {
      if (store.state === "running" || this.timeline.late) this.kick();
    }, CLOCK);
    this.size = new ResizeObserver(() => this.kick());
    this.size.observe(this.element);
  }

  /** Draw soon, once for all that changes until then. */
  kick(): void {
    if (this.queued) return;
    this.queued = true;
    requestAnimationFrame(() => {
      this.queued = false;
      this.paint();
    });
  }

  /** Rows are others now: find the chosen one again. */
  reloaded(): void {
    const known = this.tree.chosen && this.store.rows.get(this.tree.chosen.id);
    this.tree.chosen = null;
    if (known) this.tree.choose(known, false, false);
    this.kick();
  }

  take(detail: Detail): void {
    this.detail.take(detail);
  }

  remove(): void {
    clearInterval(this.clock);
    this.size.disconnect();
    this.gate.show(null);
  }

  private paint(): void {
    if (this.follow) this.choose();
    this.element.classList.toggle("no-cost", !this.store.meters.cost?.[0]);
    this.bar.paint();
    this.gate.show(this.store.pending);
    this.tree.paint();
    this.detail.paint();
    this.timeline.paint(this.tree.chosen);
    this.chipCounts();
    set(this.followed, "aria-pressed", String(this.follow));
  }

  /** While nobody has chosen: what waits for a person, else the newest step, and at the end the answer. */
  private choose(): void {
    const root = this.store.roots[0];
    if (!root) return;
    const waiting = this.store.pending && this.store.rows.get(this.store.pending.id);
    const steps = root.kids.filter((node) => node.kind === "step");
    const over = root.state !== "running" && root.state !== "paused";
    const node = waiting || (over ? root : (steps[steps.length - 1] ?? root));
    if (node !== this.tree.chosen) this.tree.choose(node, false);
  }

  private chosen(node: Node, byHand: boolean): void {
    if (byHand) this.follow = false;
    this.detail.show(node);
  }

  private go(id: string): void {
    const node = this.store.rows.get(id);
    if (!node) return;
    this.tree.choose(node, true);
    this.tree.element.focus();
  }

  private toolbar(): HTMLElement {
    const filters = h("span", { class: "filters", role: "group", "aria-label": "Filter" });
    for (const [filter, name, title] of FILTERS) {
      const chip = h("button", { type: "button", class: "fchip", title, "aria-pressed": String(filter === "all"), onclick: () => this.filter(filter) }, name);
      this.chips.set(filter, chip);
      filters.append(chip);
    }
    this.search.addEventListener("input", () => {
      this.tree.choice.search = this.search.value;
      this.tree.refresh();
    });
    this.followed.addEventListener("click", () => this.toggleFollow());
    const tool = (name: string, label: string, act: () => void): HTMLElement => h("button", { type: "button", class: "tool", title: label, "aria-label": label, onclick: act }, name);
    const tools = h("span", { class: "tools" }, this.search, this.followed, tool("−", "Close all rows", () => this.tree.openAll(false)), tool("+", "Open all rows", () => this.tree.openAll(true)), tool("?", "Keys", () => (this.help.hidden = !this.help.hidden)));
    return h("div", { class: "toolbar" }, filters, tools, this.help);
  }

  private filter(filter: Filter): void {
    this.tree.choice.filter = filter;
    for (const [name, chip] of this.chips) set(chip, "aria-pressed", String(name === filter));
    this.tree.refresh();
  }

  private chipCounts(): void {
    const root = this.store.roots[0];
    const failed = matching(this.store, "failed")?.size ?? 0;
    const all = [...this.store.rows.values()].reduce((sum, node) => sum + (node.kind === "ask" ? 0 : 1), 0);
    const key = `${all}/${failed}/${root?.state}`;
    if (key === this.counted) return;
    this.counted = key;
    write(this.chips.get("all")!, `All ${number(all)}`);
    write(this.chips.get("failed")!, failed ? `Failed ${number(failed)}` : "Failed");
    this.chips.get("failed")!.classList.toggle("bad", failed > 0);
  }

  private toggleFollow(): void {
    this.follow = !this.follow;
    this.kick();
  }

  private key(event: KeyboardEvent): void {
    const target = event.target as HTMLElement;
    const typing = target.matches("input, textarea") || target.isContentEditable;
    if (event.key === "Escape" && target === this.search) {
      this.search.value = this.tree.choice.search = "";
      this.tree.refresh();
      this.tree.element.focus();
    } else if (!typing && !event.ctrlKey && !event.metaKey && !event.altKey && this.letter(event.key.toLowerCase())) {
      event.preventDefault();
    }
    event.stopPropagation();
  }

  /** True if the letter stands for something. */
  private letter(key: string): boolean {
    const action = LETTERS[key];
    if (action) return this.bar.act(action) || this.gate.act(action) || true;
    const acts: Record<string, () => void> = {
      "/": () => this.search.focus(),
      f: () => this.toggleFollow(),
      c: () => this.tree.openAll(false),
      o: () => this.tree.openAll(true),
      "?": () => (this.help.hidden = !this.help.hidden),
    };
    acts[key]?.();
    return key in acts;
  }
}
