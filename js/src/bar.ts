/** The line on top: state, question, controls; and under it the meters. */

import { h, set, write } from "./dom";
import type { Action, Meters, State } from "./protocol";
import type { Store } from "./store";
import { MARKS, count, duration, money, number, short, stateWord } from "./words";

export type Send = (action: Action, more?: { code?: string; reason?: string }) => void;

const CONTROLS: [action: Action, name: string, sign: string, key: string, title: string, when: State[]][] = [
  ["pause", "Pause", "❚❚", "P", "Stop before the next step's code", ["running"]],
  ["resume", "Resume", "▶", "R", "Go on", ["paused"]],
  ["step", "Step", "▸", "S", "Run the step that waits, and stop before the next", ["paused"]],
  ["into", "Step into", "↳", "I", "The same, but stop inside a child run too", ["paused"]],
  ["stop", "Stop", "■", "X", "End the run; what it has stays", ["running", "paused"]],
];
const SENT: Partial<Record<Action, string>> = { pause: "pausing …", stop: "stopping …", resume: "going on …", step: "stepping …", into: "stepping into …" };
const OVER = new Set<State>(["done", "stopped", "limit", "failed"]);
/** From this share of a limit on its meter warns. */
const NEAR = 0.85;

export class Bar {
  readonly element: HTMLElement;
  private readonly chip = h("span", { class: "chip" });
  private readonly question = h("span", { class: "q" });
  private readonly buttons = new Map<Action, HTMLButtonElement>();
  private readonly controls = h("span", { class: "controls", role: "group", "aria-label": "Control the run" });
  private readonly meters = h("div", { class: "meters", role: "group", "aria-label": "Limits" });
  private readonly spoken = h("span", { class: "aloud", role: "status", "aria-live": "polite" });
  private readonly gauges = new Map<string, Gauge>();
  private sent: { action: Action; state: State; waiting: boolean } | null = null;

  constructor(
    private readonly store: Store,
    private readonly send: Send,
  ) {
    for (const [action, name, sign, key, title] of CONTROLS) {
      const button = h("button", { type: "button", class: `btn ${action}`, title: `${title} (${key})`, onclick: () => this.act(action) }, h("span", { "aria-hidden": "true", class: "sign" }, sign), h("span", { class: "label" }, name), h("kbd", { "aria-hidden": "true" }, key));
      set(button, "aria-label", name);
      this.buttons.set(action, button);
      this.controls.append(button);
    }
    this.element = h("header", { class: "head" }, h("div", { class: "bar" }, this.chip, this.question, this.controls, this.spoken), this.meters);
  }

  /** Do what a control stands for; true if it can be done now. */
  act(action: Action): boolean {
    const button = this.buttons.get(action);
    if (!button || button.getAttribute("aria-disabled") === "true") return false;
    this.sent = { action, state: this.store.state, waiting: this.store.pending !== null };
    this.send(action);
    this.paint();
    return true;
  }

  paint(): void {
    const { state, pending, head } = this.store;
    if (this.sent && (this.sent.state !== state || this.sent.waiting !== (pending !== null))) this.sent = null;
    const step = this.store.roots[0]?.kids.reduce((most, node) => Math.max(most, node.no ?? 0), 0);
    const wait = this.sent ? SENT[this.sent.action] : undefined;
    const where = OVER.has(state) ? count(step ?? 0, "step") : `step ${pending?.step ?? step}`;
    const words = `${MARKS[state]} ${wait ?? stateWord(state)}${step && !wait ? ` · ${where}` : ""}`;
    write(this.chip, words);
    set(this.chip, "data-state", state);
    write(this.question, head.question ?? "");
    set(this.question, "title", head.question ?? "");
    write(this.spoken, pending ? `paused before step ${pending.step}. ${pending.why}` : stateWord(state));
    for (const [action, , , , , when] of CONTROLS) {
      const button = this.buttons.get(action)!;
      set(button, "aria-disabled", String(!when.includes(state)));
      button.classList.toggle("sent", this.sent?.action === action);
    }
    this.controls.hidden = OVER.has(state);
    this.measure();
  }

  private measure(): void {
    const meters = this.store.meters;
    const root = this.store.roots[0];
    for (const [name, gauge] of gauges(meters, this.store.elapsed(), root !== undefined)) {
      let known = this.gauges.get(name);
      if (!known) {
        known = new Gauge(name);
        this.gauges.set(name, known);
        this.meters.append(known.element);
      }
      known.paint(gauge);
    }
    this.meters.hidden = this.gauges.size === 0;
  }
}

interface Reading {
  used: string;
  rest: string;
  /** Used part of the limit; null if there is none. */
  share: number | null;
}

/** What each meter says. */
export function gauges(meters: Meters, elapsed: number, begun: boolean): [string, Reading | null][] {
  if (!begun) return [];
  const part = (used: number, limit: number | null | undefined): number | null => (limit ? used / limit : null);
  const of = (limit: string | null, unit = ""): string => `${limit ? ` of ${limit}` : ""}${unit}`;
  const [steps, mostSteps] = meters.steps ?? [0, null];
  const [calls, mostCalls] = meters.calls ?? [0, null];
  const [tokens, mostTokens] = meters.tokens ?? [0, null];
  const [cost, mostCost] = meters.cost ?? [0, null];
  const [flight, mostFlight] = meters.flight ?? [0, null];
  const seconds = meters.seconds?.[1] ?? null;
  const cached = meters.input && meters.cached ? ` · ${Math.round((100 * meters.cached) / meters.input)} % cached` : "";
  const memo = meters.memo ? ` · ${number(meters.memo)} from memo` : "";
  const price = meters.unpriced ? (cost ? { used: `${money(cost)}+`, rest: " · some prices unknown" } : { used: "", rest: "price unknown" }) : { used: money(cost), rest: of(mostCost ? money(mostCost) : null) };
  return [
    ["Cost", { ...price, share: meters.unpriced && !cost ? null : part(cost, mostCost) }],
    ["Steps", { used: number(steps), rest: of(mostSteps ? number(mostSteps) : null, steps === 1 && !mostSteps ? " step" : " steps"), share: part(steps, mostSteps) }],
    ["Calls", { used: number(calls), rest: of(mostCalls ? number(mostCalls) : null, ` calls${memo}`), share: part(calls, mostCalls) }],
    ["Tokens", { used: short(tokens), rest: of(mostTokens ? short(mostTokens) : null, ` tokens${cached}`), share: part(tokens, mostTokens) }],
    ["Time", { used: duration(elapsed), rest: of(seconds ? duration(seconds) : null), share: part(elapsed, seconds) }],
    ["In flight", flight || mostFlight ? { used: number(flight), rest: of(mostFlight ? number(mostFlight) : null, " in flight"), share: part(flight, mostFlight) } : null],
  ];
}

class Gauge {
  readonly element: HTMLElement;
  private readonly used = h("b");
  private readonly rest = h("span");
  private readonly bar = h("i", { role: "meter", "aria-valuemin": 0, "aria-valuemax": 100 });

  constructor(private readonly name: string) {
    set(this.bar, "aria-label", name);
    this.element = h("span", { class: `m m-${name.toLowerCase().replace(" ", "-")}` }, this.used, this.rest, this.bar);
  }

  paint(reading: Reading | null): void {
    this.element.hidden = reading === null;
    if (!reading) return;
    write(this.used, reading.used);
    write(this.rest, reading.rest);
    this.bar.hidden = reading.share === null;
    if (reading.share === null) return;
    const percent = Math.round(100 * Math.min(Math.max(reading.share, 0), 1));
    this.bar.style.setProperty("--v", `${percent}%`);
    this.bar.classList.toggle("near", this.name !== "In flight" && reading.share >= NEAR);
    set(this.bar, "aria-valuenow", percent);
    set(this.bar, "aria-valuetext", `${reading.used}${reading.rest}`);
  }
}
