/** Names and values, one pair below another. */
import { html, type TemplateResult } from "lit-html";

export function factList(facts: readonly (readonly [name: string, value: string])[]): TemplateResult {
  return html`
    <dl class="facts">
      ${facts.map(
        ([name, value]) =>
          html`<div>
            <dt>${name}</dt>
            <dd>${value}</dd>
          </div>`,
      )}
    </dl>
  `;
}
