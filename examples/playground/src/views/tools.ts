/** Functions that the model calls: the call, its arguments, the result, the answer. */
import { html, nothing, type TemplateResult } from "lit-html";
import { runShown } from "../asked.ts";
import { type CallChoice, type Called, callFunctions, type MadeCall } from "../call-functions.ts";
import { FUNCTIONS, QUESTIONS } from "../functions.ts";
import { askedView } from "./asked.ts";
import type { Page } from "./page.ts";

const FORM = "tools-form";
const MAY = "auto";
const MUST = "required";

export function toolsView(page: Page): TemplateResult {
  const { state } = page;
  const isReady = state.loading.kind === "ready" && state.called.kind !== "running";
  const choose = (event: Event) => {
    const { value, form } = event.target as HTMLSelectElement;
    const { text, name } = QUESTIONS[Number(value)]!;
    (form!.elements.namedItem("question") as HTMLTextAreaElement).value = text;
    (form!.elements.namedItem("choice") as HTMLSelectElement).value = name;
  };
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const data = new FormData(event.target as HTMLFormElement);
    void ask(page, String(data.get("question")), String(data.get("choice")));
  };
  const [first] = QUESTIONS;
  return html`
    <section class="page" aria-labelledby="tools-title">
      <h2 id="tools-title">Functions</h2>
      <p>The model writes the call, this page computes it, and the model answers with the result.</p>
      <form id=${FORM} class="demo" @submit=${submit}>
        <label>
          <span>Example</span>
          <select name="example" @change=${choose}>
            ${QUESTIONS.map(({ text }, at) => html`<option value=${at}>${text}</option>`)}
          </select>
        </label>
        <label><span>Question</span><textarea name="question" rows="2" required .defaultValue=${first!.text}></textarea></label>
        <label>
          <span>Function</span>
          <select name="choice">
            ${FUNCTIONS.map(
              ({ name, description }) =>
                html`<option value=${name} ?selected=${name === first!.name}>${name}: ${description.toLowerCase()}</option>`,
            )}
            <option value=${MUST}>one of these, which the model chooses</option>
            <option value=${MAY}>one of these or none, as the model likes</option>
          </select>
        </label>
        <p class="buttons"><button type="submit" class="primary" ?disabled=${!isReady}>Ask</button></p>
      </form>
      ${askedView(state.called, calledView)}
      ${state.loading.kind === "ready" ? nothing : html`<p class="notice">There is no model yet.</p>`}
    </section>
  `;
}

function calledView({ by, calls, said, answer }: Called): TemplateResult {
  const how = html`<p>
    ${
      by === "template"
        ? "The model's chat template told it of the functions."
        : "This model's chat template has no words for functions: it was shown examples instead, and held to the form of a call."
    }
  </p>`;
  if (calls.length === 0) {
    const why = by === "template" ? "The model called no function, and said:" : "The call was cut before it ended:";
    return html`<p>${why}</p>
      <blockquote class="said">${said === "" ? "nothing" : said}</blockquote>
      ${how}`;
  }
  return html`
    <ol class="steps">
      ${said === "" ? nothing : html`<li><span>The model says</span><span>${said}</span></li>`} ${calls.map(callView)}
      <li><span>The model answers</span><span class="said">${answer === "" ? "nothing" : answer}</span></li>
    </ol>
    ${how}
  `;
}

const callView = ({ name, given, result }: MadeCall) => html`
  <li><span>The model calls</span><code>${name}</code></li>
  <li><span>with</span><code>${given === undefined ? "what is no JSON" : JSON.stringify(given)}</code></li>
  <li><span>The page gives back</span><code>${result}</code></li>
`;

function ask({ state, engine, changed }: Page, question: string, choice: CallChoice): Promise<void> {
  const show = (asked: typeof state.called) => {
    state.called = asked;
    changed();
  };
  return runShown(show, (onText) => callFunctions((task) => engine.run(task, { onText }), question, choice));
}
