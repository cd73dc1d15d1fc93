/** What the keys do, after the tree pattern of WAI-ARIA. No DOM here. */

import type { Item } from "./outline";
import type { Action } from "./protocol";

export type Move = { to: number } | { open: number } | { close: number } | { siblings: number } | null;

/** What a key means in the tree, where `at` is the chosen row. */
export function treeKey(key: string, items: Item[], at: number, page: number): Move {
  const last = items.length - 1;
  const item = items[at];
  if (!item) return last >= 0 ? { to: 0 } : null;
  switch (key) {
    case "ArrowDown":
      return { to: Math.min(at + 1, last) };
    case "ArrowUp":
      return { to: Math.max(at - 1, 0) };
    case "PageDown":
      return { to: Math.min(at + page, last) };
    case "PageUp":
      return { to: Math.max(at - page, 0) };
    case "Home":
      return { to: 0 };
    case "End":
      return { to: last };
    case "ArrowRight":
      if (!item.expandable) return null;
      return item.open ? { to: at + 1 } : { open: at };
    case "ArrowLeft":
      if (item.expandable && item.open) return { close: at };
      return item.node.up ? { to: Math.max(0, items.findIndex((each) => each.node === item.node.up)) } : null;
    case "Enter":
    case " ":
      if (!item.expandable) return null;
      return item.open ? { close: at } : { open: at };
    case "*":
      return { siblings: at };
    default:
      return null;
  }
}

export const LETTERS: Record<string, Action> = { p: "pause", r: "resume", s: "step", i: "into", x: "stop", a: "approve", e: "edit", k: "skip", j: "reject" };
