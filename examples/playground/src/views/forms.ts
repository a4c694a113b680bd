/** Answers in a form: JSON that a schema holds for, whatever the model would rather say. */
import { html, nothing, type TemplateResult } from "lit-html";
import { runShown } from "../asked.ts";
import { counted, rate } from "../format.ts";
import { FORM_EXAMPLES } from "../form-examples.ts";
import { askedView } from "./asked.ts";
import { copyButton } from "./copy-button.ts";
import type { Page } from "./page.ts";

const FORM = "forms-form";
/** Longest answer. */
const MOST_TOKENS = 256;

export function formsView(page: Page): TemplateResult {
  const { state } = page;
  const isReady = state.loading.kind === "ready" && state.form.kind !== "running";
  const choose = (event: Event) => {
    const { schema, text } = FORM_EXAMPLES[Number((event.target as HTMLSelectElement).value)]!;
    const form = (event.target as HTMLSelectElement).form!;
    (form.elements.namedItem("schema") as HTMLTextAreaElement).value = JSON.stringify(schema, null, 2);
    (form.elements.namedItem("text") as HTMLTextAreaElement).value = text;
  };
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const data = new FormData(event.target as HTMLFormElement);
    void answer(page, String(data.get("schema")), String(data.get("text")));
  };
  const [first] = FORM_EXAMPLES;
  return html`
    <section class="page" aria-labelledby="forms-title">
      <h2 id="forms-title">Answers as JSON</h2>
      <p>
        Each token is drawn from those that the schema allows, so the answer parses and the schema holds for it, also with a small
        model. Whether it is true is another matter.
      </p>
      <form id=${FORM} class="demo" @submit=${submit}>
        <label>
          <span>Example</span>
          <select name="example" @change=${choose}>
            ${FORM_EXAMPLES.map(({ label }, at) => html`<option value=${at}>${label}</option>`)}
          </select>
        </label>
        <label><span>Text</span><textarea name="text" rows="2" required .defaultValue=${first!.text}></textarea></label>
        <label>
          <span>JSON schema</span>
          <textarea
            name="schema"
            class="mono"
            rows="10"
            spellcheck="false"
            required
            .defaultValue=${JSON.stringify(first!.schema, null, 2)}
          ></textarea>
        </label>
        <p class="buttons"><button type="submit" class="primary" ?disabled=${!isReady}>Answer</button></p>
      </form>
      ${askedView(
        state.form,
        ({ text, valid, tokens, tokensPerSecond }) => html`
          <figure class="code">
            <figcaption><span>json</span>${copyButton(text, "Copy the JSON")}</figcaption>
            <pre tabindex="0" role="region" aria-label="The answer"><code>${text}</code></pre>
          </figure>
          <p>
            ${valid ? "It parses." : `It was cut after ${MOST_TOKENS} tokens.`} ${counted(tokens, "token")},
            ${rate(tokensPerSecond)}.
          </p>
        `,
      )}
      ${state.loading.kind === "ready" ? nothing : html`<p class="notice">There is no model yet.</p>`}
    </section>
  `;
}

export interface FormedAnswer {
  readonly text: string;
  readonly valid: boolean;
  readonly tokens: number;
  readonly tokensPerSecond: number;
}

function answer({ state, engine, changed }: Page, schemaText: string, text: string): Promise<void> {
  const show = (asked: typeof state.form) => {
    state.form = asked;
    changed();
  };
  return runShown(show, async (onText) => {
    const schema = parsed(schemaText);
    if (typeof schema !== "object" || schema === null) {
      const message = `schema: got ${schemaText.trim() === "" ? "nothing" : "no JSON object"}, need a JSON schema`;
      throw { name: "OptionError", message };
    }
    const content = `${text}\n\nAnswer with JSON of this schema, and nothing else:\n${JSON.stringify(schema)}`;
    const responseFormat = { type: "json_schema", json_schema: { schema: schema as Record<string, unknown> } } as const;
    const options = { responseFormat, temperature: 0, maxTokens: MOST_TOKENS } as const;
    const result = await engine.run({ name: "write", messages: [{ role: "user", content }], options }, { onText });
    const value = parsed(result.text);
    return {
      text: value === undefined ? result.text : JSON.stringify(value, null, 2),
      valid: value !== undefined,
      tokens: result.tokens.length,
      tokensPerSecond: result.decode.tokensPerSecond,
    };
  });
}

/** @returns undefined for what is not JSON */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
