/** The tree of runs, steps and calls: only the rows that can be seen are in the page. */

import { h, set, write } from "./dom";
import { treeKey } from "./keys";
import { flatten, isOpen, type Choice, type Item } from "./outline";
import type { Node, Store } from "./store";
import { MARKS, duration, money, remarks, short, spoken, stateWord } from "./words";
import { range, reveal } from "./window";

export const ROW = 24;

interface Cells {
  row: HTMLElement;
  twisty: HTMLElement;
  mark: HTMLElement;
  title: HTMLElement;
  said: HTMLElement;
  time: HTMLElement;
  tokens: HTMLElement;
  cost: HTMLElement;
  bar: HTMLElement;
  index: number;
  remarks: string;
}

export class TreeView {
  readonly element: HTMLElement;
  readonly choice: Choice = { filter: "all", search: "", open: new Map() };
  items: Item[] = [];
  /** The row whose page is open. */
  chosen: Node | null = null;
  private readonly filler = h("div", { class: "rows", role: "presentation" });
  private readonly empty = h("p", { class: "none" });
  private readonly pool: Cells[] = [];
  private laid = "";

  constructor(
    private readonly store: Store,
    private readonly prefix: string,
    private readonly changed: (node: Node, byHand: boolean) => void,
    private readonly repaint: () => void,
  ) {
    this.element = h("div", { class: "tree", role: "tree", tabindex: "0", "aria-label": "Runs, steps and calls", onkeydown: (event: KeyboardEvent) => this.key(event), onscroll: () => repaint() }, this.filler, this.empty);
  }

  /** Choose a row; opens what it stands under if `show`. */
  choose(node: Node, byHand: boolean, show = true): void {
    this.chosen = node;
    if (show) {
      for (let up = node.up; up; up = up.up) if (!isOpen(up, this.choice.open)) this.choice.open.set(up.id, true);
      this.lay(true);
      const at = this.items.findIndex((item) => item.node === node);
      if (at >= 0) this.element.scrollTop = reveal(at, this.element.scrollTop, this.element.clientHeight, ROW);
    }
    this.changed(node, byHand);
    this.repaint();
  }

  openAll(open: boolean): void {
    for (const node of this.store.rows.values()) if (node.kids.length) this.choice.open.set(node.id, open || node.up === null);
    for (let up = this.chosen?.up; up && !open; up = up.up) if (up.up) this.chosen = up;
    this.refresh();
  }

  refresh(): void {
    this.lay(true);
    this.repaint();
  }

  paint(): void {
    this.lay(false);
    const height = this.element.clientHeight;
    const { first, last } = range(this.element.scrollTop, height, this.items.length, ROW);
    this.filler.style.height = `${this.items.length * ROW}px`;
    while (this.pool.length < last - first) this.pool.push(this.cells());
    const span = this.store.span();
    let active = "";
    this.pool.forEach((cells, slot) => {
      const index = first + slot;
      const item = index < last ? this.items[index] : undefined;
      if (!item) {
        if (!cells.row.hidden) cells.row.hidden = true;
        return;
      }
      this.row(cells, item, index, span);
      if (item.node === this.chosen) active = cells.row.id;
    });
    set(this.element, "aria-activedescendant", active || null);
    const nothing = this.items.length ? "" : this.store.rows.size ? "No row matches." : "Waiting for the run to begin …";
    write(this.empty, nothing);
    this.empty.hidden = !nothing;
  }

  private lay(force: boolean): void {
    const filtered = this.choice.filter !== "all" || this.choice.search !== "";
    const laid = `${this.store.shape}/${filtered ? this.store.version : 0}`;
    if (!force && laid === this.laid) return;
    this.laid = laid;
    this.items = flatten(this.store, this.choice);
  }

  private row(cells: Cells, item: Item, index: number, span: number): void {
    const { node } = item;
    const { row } = cells;
    const seconds = this.store.seconds(node);
    if (row.hidden) row.hidden = false;
    cells.index = index;
    const id = `${this.prefix}-${node.id}`;
    if (row.id !== id) row.id = id;
    row.style.transform = `translateY(${index * ROW}px)`;
    row.style.setProperty("--d", String(Math.min(node.level - 1, 12)));
    set(row, "class", `n ${node.kind}${node.level > 1 && inChild(node) ? " below" : ""}${node === this.chosen ? " sel" : ""}`);
    set(row, "data-state", node.state);
    set(row, "aria-level", node.level);
    set(row, "aria-setsize", item.setsize);
    set(row, "aria-posinset", item.posinset);
    set(row, "aria-expanded", item.expandable ? String(item.open) : null);
    set(row, "aria-selected", String(node === this.chosen));
    set(row, "aria-label", spoken(node, seconds));
    write(cells.twisty, item.expandable ? (item.open ? "▾" : "▸") : "");
    write(cells.mark, MARKS[node.state] ?? "○");
    set(cells.mark, "title", stateWord(node.state));
    write(cells.title, node.no ? `${node.no}  ${node.title}` : node.title);
    this.remarks(cells, node, item.open);
    write(cells.time, duration(seconds));
    const tokens = (node.in ?? 0) + (node.out ?? 0);
    write(cells.tokens, tokens ? short(tokens) : "");
    write(cells.cost, money(node.cost));
    cells.bar.style.setProperty("--a", `${(100 * node.t0) / span}%`);
    cells.bar.style.setProperty("--w", `${Math.max((100 * seconds) / span, 0)}%`);
  }

  private remarks(cells: Cells, node: Node, open: boolean): void {
    const parts = remarks(node, open);
    const writing = this.store.writing;
    const live = node.kind === "step" && node.level === 2 && node.state === "running" && writing.text && node.no === writing.step;
    const sub = live ? `“${tail(writing.text)}”` : (node.sub ?? "");
    const key = JSON.stringify([sub, parts]);
    if (key === cells.remarks) return;
    cells.remarks = key;
    cells.said.replaceChildren();
    if (sub) cells.said.append(h("span", { class: "sub" }, sub));
    for (const { text, tone } of parts) cells.said.append(h("span", { class: tone || "count" }, text));
  }

  private cells(): Cells {
    const [twisty, mark] = [h("span", { class: "w" }), h("span", { class: "s" })];
    const [title, said] = [h("span", { class: "name" }), h("span", { class: "said" })];
    const [time, tokens, cost] = [h("span", { class: "x time" }), h("span", { class: "x tokens" }), h("span", { class: "x cost" })];
    const bar = h("span", { class: "dur" });
    const row = h("div", { role: "treeitem", class: "n" }, h("span", { class: "t" }, twisty, mark, title, said), time, tokens, cost, bar);
    const cells: Cells = { row, twisty, mark, title, said, time, tokens, cost, bar, index: 0, remarks: "" };
    row.addEventListener("click", (event) => {
      const item = this.items[cells.index];
      if (!item) return;
      if (event.target === twisty && item.expandable) this.toggle(item, !item.open);
      else this.choose(item.node, true, false);
    });
    row.addEventListener("dblclick", () => {
      const item = this.items[cells.index];
      if (item?.expandable) this.toggle(item, !item.open);
    });
    this.filler.append(row);
    return cells;
  }

  private toggle(item: Item, open: boolean): void {
    this.choice.open.set(item.node.id, open);
    if (!open && this.chosen) for (let up = this.chosen.up; up; up = up.up) if (up === item.node) this.choose(item.node, true, false);
    this.refresh();
  }

  private key(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const at = this.items.findIndex((item) => item.node === this.chosen);
    const page = Math.max(1, Math.floor(this.element.clientHeight / ROW) - 1);
    const move = treeKey(event.key, this.items, at, page);
    if (!move) return;
    event.preventDefault();
    event.stopPropagation();
    if ("to" in move) this.choose(this.items[move.to]!.node, true);
    else if ("open" in move) this.toggle(this.items[move.open]!, true);
    else if ("close" in move) this.toggle(this.items[move.close]!, false);
    else {
      const up = this.items[move.siblings]?.node.up;
      for (const node of up ? up.kids : this.store.roots) if (node.kids.length) this.choice.open.set(node.id, true);
      this.refresh();
    }
  }
}

function inChild(node: Node): boolean {
  for (let each: Node | null = node; each; each = each.up) if (each.kind === "run") return each.up !== null;
  return false;
}

/** The end of what is being written, in one line. */
function tail(text: string): string {
  const line = text.slice(-160).replace(/\s+/g, " ").trim();
  return line.length > 60 ? `…${line.slice(-60)}` : line;
}
