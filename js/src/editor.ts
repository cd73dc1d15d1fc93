/** The editor of a step that waits: CodeMirror with Python's grammar, and no more. */

import { defaultKeymap, history, historyKeymap, indentWithTab } from "@codemirror/commands";
import { HighlightStyle, LRLanguage, LanguageSupport, bracketMatching, delimitedIndent, indentNodeProp, indentOnInput, indentUnit, syntaxHighlighting } from "@codemirror/language";
import { EditorState } from "@codemirror/state";
import { EditorView, drawSelection, highlightActiveLine, highlightSpecialChars, keymap, lineNumbers } from "@codemirror/view";
import { classHighlighter } from "@lezer/highlight";
import { parser } from "@lezer/python";

const python = LRLanguage.define({
  name: "python",
  parser: parser.configure({
    props: [
      indentNodeProp.add({
        Body: (context) => context.baseIndentFor(context.node) + context.unit,
        "TupleExpression ArgList ParamList ParenthesizedExpression": delimitedIndent({ closing: ")" }),
        "DictionaryExpression SetExpression": delimitedIndent({ closing: "}" }),
        "ArrayExpression": delimitedIndent({ closing: "]" }),
      }),
    ],
  }),
  languageData: { commentTokens: { line: "#" } },
});

export interface Editor {
  dom: HTMLElement;
  code(): string;
  focus(): void;
  destroy(): void;
}

/** An editor with this code. `changed` is told after each change, `run` on Ctrl-Enter, `leave` on Escape. */
export function editor(code: string, on: { changed: () => void; run: () => void; leave: () => void }): Editor {
  const command = (act: () => void) => () => {
    act();
    return true;
  };
  const view = new EditorView({
    state: EditorState.create({
      doc: code,
      extensions: [
        lineNumbers(),
        // Characters that hide or turn others round must be seen before code is approved.
        highlightSpecialChars({ addSpecialChars: /[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200c\u200d\u202a-\u202c\u2060-\u206f\u3164\ufe00-\ufe0f\uffa0]/g }),
        history(),
        drawSelection(),
        indentUnit.of("    "),
        indentOnInput(),
        bracketMatching(),
        highlightActiveLine(),
        new LanguageSupport(python),
        syntaxHighlighting(classHighlighter),
        syntaxHighlighting(HighlightStyle.define([]), { fallback: true }),
        EditorView.contentAttributes.of({ "aria-label": "Code of the step that waits. Escape, then Tab, leaves the editor." }),
        EditorView.updateListener.of((update) => {
          if (update.docChanged) on.changed();
        }),
        keymap.of([{ key: "Mod-Enter", run: command(on.run) }, { key: "Escape", run: command(on.leave) }, indentWithTab, ...defaultKeymap, ...historyKeymap]),
      ],
    }),
  });
  return { dom: view.dom, code: () => view.state.doc.toString(), focus: () => view.focus(), destroy: () => view.destroy() };
}
