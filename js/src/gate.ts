/** The question to a person before a step runs: its code, why it waits, and what to do with it. */

import { h, write } from "./dom";
import { editor, type Editor } from "./editor";
import type { Action, Pending } from "./protocol";

export type Send = (action: Action, more?: { code?: string; reason?: string }) => void;

export class Gate {
  private box: HTMLElement | null = null;
  private pending: Pending | null = null;
  private editor: Editor | null = null;
  private answered = false;
  private readonly approve = this.button("Approve", "A", "Run this code as it is", "pri", () => this.answer("approve"));
  private readonly edit = this.button("Edit", "E", "Change the code; the changed code is what runs", "", () => this.change());
  private readonly skip = this.button("Skip", "K", "Run nothing, ask for the next step", "", () => this.answer("skip"));
  private readonly reject = this.button("Reject", "J", "Run nothing, and tell the model why", "stop", () => this.ask());
  private readonly reason = h("input", { type: "text", class: "reason", "aria-label": "Reason that the model is told", placeholder: "Tell the model why, then press Enter" });
  private readonly reasons = h("form", { class: "reasons", hidden: true }, this.reason, h("button", { type: "submit", class: "btn stop" }, "Send"), h("button", { type: "button", class: "btn", onclick: () => this.ask(false) }, "Cancel"));
  private readonly said = h("p", { class: "dim", role: "status" });

  constructor(
    private readonly place: HTMLElement,
    private readonly send: Send,
  ) {
    this.reasons.addEventListener("submit", (event) => {
      event.preventDefault();
      this.answer("reject", { reason: this.reason.value.trim() });
    });
    this.reason.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.ask(false);
      event.stopPropagation();
    });
  }

  /** Show what waits, or nothing. */
  show(pending: Pending | null): void {
    if (same(pending, this.pending)) return;
    this.pending = pending;
    this.answered = false;
    this.editor?.destroy();
    this.editor = null;
    this.box?.remove();
    this.box = null;
    if (!pending) return;
    this.editor = editor(pending.code, { changed: () => this.changed(), run: () => this.answerEdited(), leave: () => this.approve.focus() });
    const why = pending.why ? h("span", {}, ` ${pending.why}`) : "";
    this.reasons.hidden = true;
    this.reason.value = "";
    write(this.said, "");
    this.box = h(
      "section",
      { class: "gate", "aria-label": `Step ${pending.step} waits` },
      h("p", { class: "why" }, h("b", {}, `Step ${pending.step} waits for you.`), why),
      h("div", { class: "editor" }, this.editor.dom),
      h("div", { class: "answers" }, this.approve, this.edit, this.skip, this.reject),
      this.reasons,
      this.said,
    );
    this.place.append(this.box);
    this.changed();
  }

  /** Do what a letter stands for; true if there was something to do. */
  act(action: Action): boolean {
    if (!this.pending) return false;
    const button = { approve: this.approve, edit: this.edit, skip: this.skip, reject: this.reject }[action as "approve"];
    if (!button || button.getAttribute("aria-disabled") === "true") return false;
    button.click();
    return true;
  }

  private get dirty(): boolean {
    return this.editor !== null && this.editor.code() !== this.pending?.code;
  }

  private changed(): void {
    const { dirty } = this;
    this.approve.setAttribute("aria-disabled", String(dirty || this.answered));
    this.approve.title = dirty ? "The code was changed: Edit runs it as it stands" : "Run this code as it is";
    for (const button of [this.edit, this.skip, this.reject]) button.setAttribute("aria-disabled", String(this.answered));
    write(this.edit.firstElementChild!, dirty ? "Edit: run the changed code" : "Edit");
    this.edit.classList.toggle("pri", dirty);
    this.approve.classList.toggle("pri", !dirty);
  }

  private change(): void {
    if (this.dirty) this.answerEdited();
    else this.editor?.focus();
  }

  private answerEdited(): void {
    if (this.dirty) this.answer("edit", { code: this.editor!.code() });
    else this.answer("approve");
  }

  private ask(open = true): void {
    this.reasons.hidden = !open;
    if (open) this.reason.focus();
    else this.reject.focus();
  }

  private answer(action: Action, more: { code?: string; reason?: string } = {}): void {
    if (this.answered || !this.pending) return;
    this.answered = true;
    this.reasons.hidden = true;
    this.changed();
    const words = { approve: "Running it …", edit: "Running the changed code …", skip: "Skipped; asking for the next step …", reject: "Telling the model …" };
    write(this.said, words[action as "approve"]);
    this.send(action, more);
  }

  private button(name: string, key: string, title: string, style: string, act: () => void): HTMLButtonElement {
    const press = (event: Event): void => {
      if ((event.currentTarget as HTMLElement).getAttribute("aria-disabled") !== "true") act();
    };
    return h("button", { type: "button", class: `btn ${style}`, title, onclick: press }, h("span", {}, name), h("kbd", { "aria-hidden": "true" }, key));
  }
}

function same(one: Pending | null, other: Pending | null): boolean {
  return one === other || JSON.stringify(one) === JSON.stringify(other);
}
