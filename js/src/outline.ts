/** Which rows stand in the tree, in which order. No DOM here. */

import type { Node, Store } from "./store";

export type Filter = "all" | "failed" | "slow" | "costly";

export interface Item {
  node: Node;
  setsize: number;
  posinset: number;
  expandable: boolean;
  open: boolean;
}

export interface Choice {
  filter: Filter;
  search: string;
  /** Rows that somebody opened or closed; all others are as their kind is. */
  open: Map<string, boolean>;
}

const BAD = new Set(["failed", "stopped", "limit"]);
/** Runs and steps stand open; a batch may hold thousands of calls. */
const OPEN = { run: true, step: true, batch: false, call: false, ask: false };
/** What is much slower or dearer than usual: of the top tenth, and this many times the middle. */
const MUCH = 1.5;

export function isOpen(node: Node, open: Map<string, boolean>): boolean {
  return open.get(node.id) ?? OPEN[node.kind];
}

/** The visible rows from top to bottom. A filter shows what matches and what it stands under. */
export function flatten(store: Store, choice: Choice): Item[] {
  const kept = keep(store, choice);
  const items: Item[] = [];
  const walk = (all: Node[]): void => {
    const nodes = kept ? all.filter((node) => kept.has(node)) : all;
    nodes.forEach((node, index) => {
      const kids = kept ? node.kids.some((kid) => kept.has(kid)) : node.kids.length > 0;
      const open = kids && (kept !== null || isOpen(node, choice.open));
      items.push({ node, setsize: nodes.length, posinset: index + 1, expandable: kids, open });
      if (open) walk(node.kids);
    });
  };
  walk(store.roots);
  return items;
}

/** Rows that match, with all above them; null if nothing is filtered. */
function keep(store: Store, choice: Choice): Set<Node> | null {
  const words = choice.search.trim().toLowerCase();
  if (choice.filter === "all" && !words) return null;
  const chosen = matching(store, choice.filter);
  const kept = new Set<Node>();
  for (const node of store.rows.values()) {
    if (node.kind === "ask" || (chosen && !chosen.has(node)) || !says(node, words)) continue;
    for (let each: Node | null = node; each && !kept.has(each); each = each.up) kept.add(each);
  }
  return kept;
}

function says(node: Node, words: string): boolean {
  if (!words) return true;
  return `${node.no ?? ""} ${node.title} ${node.sub ?? ""} ${node.state}`.toLowerCase().includes(words);
}

/** The rows of a filter; null for all. */
export function matching(store: Store, filter: Filter): Set<Node> | null {
  switch (filter) {
    case "all":
      return null;
    case "failed":
      return new Set([...store.rows.values()].filter((node) => node.kind !== "batch" && node.kind !== "ask" && BAD.has(node.state)));
    case "slow":
      return top(store, (node) => (node.t1 == null && node.state !== "running" ? 0 : store.seconds(node)));
    case "costly":
      return top(store, store.meters.cost?.[0] ? (node) => node.cost ?? 0 : (node) => (node.in ?? 0) + (node.out ?? 0));
  }
}

/** Calls much above other calls, and steps much above other steps. */
function top(store: Store, measure: (node: Node) => number): Set<Node> {
  const chosen = new Set<Node>();
  for (const kind of ["call", "step"]) {
    const nodes = [...store.rows.values()].filter((node) => node.kind === kind && measure(node) > 0);
    nodes.sort((one, other) => measure(other) - measure(one));
    const middle = nodes[Math.floor(nodes.length / 2)];
    if (!middle) continue;
    const least = nodes.length > 1 ? MUCH * measure(middle) : 0;
    for (const node of nodes.slice(0, Math.ceil(nodes.length / 10))) if (measure(node) >= least) chosen.add(node);
  }
  return chosen;
}
