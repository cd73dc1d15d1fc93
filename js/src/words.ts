/** Figures and marks, in the words of rlm_kernel/views/words.py. No DOM here. */

import type { State } from "./protocol";
import type { Node } from "./store";

export const MARKS: Record<State, string> = { running: "◐", paused: "‖", done: "✓", stopped: "■", limit: "▲", failed: "✗", unfinished: "○" };

export function stateWord(state: State): string {
  return state === "limit" ? "stopped at a limit" : state;
}

export function number(value: number): string {
  return value.toLocaleString("en-US");
}

export function count(value: number, thing: string): string {
  return value === 1 ? `1 ${thing}` : `${number(value)} ${thing}s`;
}

/** `812`, `4.2k`, `41k`, `1.3M`. */
export function short(value: number): string {
  for (const unit of ["", "k", "M"]) {
    if (value < 999.5) return unit && value < 9.95 ? `${value.toFixed(1)}${unit}` : `${Math.round(value)}${unit}`;
    value /= 1000;
  }
  return `${value < 10 ? value.toFixed(1) : number(Math.round(value))}G`;
}

/** `0.4 s`, `38 s`, `2 min 5 s`, `1 h 12 min`. */
export function duration(seconds: number): string {
  const span = Math.max(seconds, 0);
  if (span < 9.95) return `${span.toFixed(1)} s`;
  const whole = Math.round(span);
  if (whole < 60) return `${whole} s`;
  const [minutes, rest] = [Math.floor(whole / 60), whole % 60];
  if (whole < 3600) return rest ? `${minutes} min ${rest} s` : `${minutes} min`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

/** `$0.21`, `$0.0042`, `$12.40`; `?` for a price that is not known. */
export function money(dollars: number | null | undefined): string {
  if (dollars === undefined) return "";
  if (dollars === null) return "?";
  if (dollars === 0) return "$0";
  if (dollars >= 0.095) return `$${dollars.toFixed(2)}`;
  if (dollars < 0.00005) return "<$.0001";
  return `$${dollars.toFixed(dollars >= 0.0095 ? 3 : 4).replace(/^0/, "")}`;
}

/** What a row says after its title: what is unusual, and counts, unless the rows under it say them. */
export function remarks(node: Node, open = false): { text: string; tone: "" | "memo" | "bad" | "warn" }[] {
  const parts: { text: string; tone: "" | "memo" | "bad" | "warn" }[] = [];
  if (node.kind === "batch") {
    const total = node.n ?? 0;
    const over = (node.done ?? 0) + (node.failed ?? 0);
    parts.push({ text: over < total ? `${number(over)} of ${number(total)}` : count(total, "item"), tone: "" });
  } else if (node.kind !== "call" && node.n && !open) {
    parts.push({ text: count(node.n, "sub-call"), tone: "" });
  }
  if (node.failed) parts.push({ text: `${number(node.failed)} failed`, tone: "bad" });
  if (node.kind === "call" && node.memo) parts.push({ text: "from memo", tone: "memo" });
  else if (node.memo && (node.kind === "batch" || !open)) parts.push({ text: `${number(node.memo)} from memo`, tone: "memo" });
  if (node.retries) parts.push({ text: node.retries === 1 ? "1 retry" : `${number(node.retries)} retries`, tone: "warn" });
  if (node.notes) parts.push({ text: count(node.notes, "note"), tone: "warn" });
  if (node.final && !node.title.startsWith("FINAL")) parts.push({ text: "FINAL", tone: "" });
  if (node.extracted) parts.push({ text: "extracted", tone: "warn" });
  return parts;
}

/** The whole row in one sentence, for those who hear it. */
export function spoken(node: Node, seconds: number): string {
  const kind = node.kind === "step" ? `step ${node.no ?? ""}` : node.kind === "call" ? "sub-call" : node.kind;
  const tokens = (node.in ?? 0) + (node.out ?? 0);
  const parts = [`${kind}: ${node.title}`, node.sub ?? "", stateWord(node.state), ...remarks(node).map((part) => part.text), duration(seconds)];
  if (tokens) parts.push(`${short(tokens)} tokens`);
  if (node.cost) parts.push(money(node.cost));
  return parts.filter(Boolean).join(", ");
}
