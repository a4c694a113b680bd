/** What became of something that was asked: the text that comes, the result, or why there is none. */
import { html, nothing, type TemplateResult } from "lit-html";
import type { Asked } from "../asked.ts";
import { failureView } from "./progress.ts";

/** @param done shows the result */
export function askedView<T>(asked: Asked<T>, done: (value: T) => TemplateResult): TemplateResult {
  return html`<div class="asked" role="status">${outcome(asked, done)}</div>`;
}

function outcome<T>(asked: Asked<T>, done: (value: T) => TemplateResult): TemplateResult | typeof nothing {
  if (asked.kind === "done") return done(asked.value);
  if (asked.kind === "failed") return failureView(asked.why);
  if (asked.kind === "idle") return nothing;
  return html`<p aria-hidden="true" class="writing">${asked.text || "Computing …"}</p>`;
}
