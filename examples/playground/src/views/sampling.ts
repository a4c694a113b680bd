/** How the next token is drawn. */
import type { GenerateOptions, SamplingOptions } from "fptq";
import { html, nothing, type TemplateResult } from "lit-html";
import type { Page } from "./page.ts";
import { openSheet } from "./sheet.ts";

interface NumberField {
  readonly name: keyof GenerateOptions;
  readonly label: string;
  /** What it means, for who points at it. */
  readonly hint: string;
  readonly min: number;
  readonly max?: number;
  readonly step: number | "any";
  /** What an empty field stands for, unless the model's authors recommend something. */
  readonly placeholder: number | "random";
  readonly value?: number;
}

/** The library's own options and defaults, except that an answer here ends after a while. */
const SAMPLING: readonly NumberField[] = [
  { name: "temperature", label: "Temperature", hint: "0 always takes the most likely token", min: 0, max: 5, step: 0.05, placeholder: 0.8 },
  { name: "topK", label: "Top-k", hint: "Keep the k most likely tokens; 0 keeps all", min: 0, step: 1, placeholder: 40 },
  { name: "topP", label: "Top-p", hint: "Keep the smallest set that reaches this probability; 1 keeps all", min: 0, max: 1, step: 0.01, placeholder: 0.95 },
  { name: "minP", label: "Min-p", hint: "Keep tokens this likely beside the most likely one; 0 keeps all", min: 0, max: 1, step: 0.01, placeholder: 0.05 },
  { name: "repeatPenalty", label: "Repetition penalty", hint: "Above 1 makes recent tokens less likely", min: 0.1, max: 10, step: 0.05, placeholder: 1 },
  { name: "repeatLastN", label: "Penalty window", hint: "How many recent tokens count; -1 for all", min: -1, step: 1, placeholder: 64 },
  { name: "maxTokens", label: "Most tokens", hint: "An answer ends after so many", min: 1, step: 1, placeholder: 512, value: 512 },
  { name: "seed", label: "Seed", hint: "The same seed gives the same answer; empty for a random one", min: 0, max: 2 ** 32 - 1, step: 1, placeholder: "random" },
]; // prettier-ignore

const SAMPLING_FORM = "sampling";

export function samplingForm({ state: { loading } }: Page): TemplateResult {
  const recommended = loading.kind === "ready" ? loading.model.recommendedSampling : {};
  return html`
    <form id=${SAMPLING_FORM} aria-labelledby="sampling-title" @submit=${(event: Event) => event.preventDefault()}>
      <h2 id="sampling-title">Sampling</h2>
      <div class="fields">${SAMPLING.map((field) => numberField(field, recommended))}</div>
    </form>
  `;
}

function numberField(field: NumberField, recommended: SamplingOptions): TemplateResult {
  const { name, label, hint, min, max, step, placeholder, value } = field;
  const models = (recommended as Readonly<Record<string, number | undefined>>)[name];
  return html`
    <label title=${models === undefined ? hint : `${hint}. The model's authors recommend ${models}`}>
      <span>${label}</span>
      <input
        type="number"
        name=${name}
        min=${min}
        max=${max ?? Number.MAX_SAFE_INTEGER}
        step=${step}
        value=${value ?? nothing}
        ?required=${value !== undefined}
        placeholder=${models ?? placeholder}
        inputmode="decimal"
      />
    </label>
  `;
}

/** @returns undefined, with the browser's own message shown, if a value is outside its domain */
export function samplingOptions(page: Page): GenerateOptions | undefined {
  const form = document.getElementById(SAMPLING_FORM) as HTMLFormElement;
  if (!form.checkValidity()) {
    openSheet(page, () => form.reportValidity());
    return undefined;
  }
  const values = [...new FormData(form)].filter(([, value]) => value !== "");
  return Object.fromEntries(values.map(([name, value]) => [name, Number(value)]));
}
