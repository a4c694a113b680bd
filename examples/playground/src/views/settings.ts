/** Which model, computed how; how the next token is drawn. */
import type { GenerateOptions, BuildName, SamplingOptions } from "fptq";
import { html, nothing, type TemplateResult } from "lit-html";
import type { Engine } from "../engine.ts";
import { counted, megabytes } from "../format.ts";
import type { Quantizer } from "../quantizer.ts";
import { EMBEDDED, sourceName } from "../sources.ts";
import type { State } from "../state.ts";
import { dropZone } from "./drop-zone.ts";
import { factList } from "./facts.ts";

/** What the views are given. */
export interface Page {
  readonly state: State;
  readonly engine: Engine;
  readonly quantizer: Quantizer;
  /** Asks for the page to be drawn again. */
  changed(): void;
}

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
const wide = matchMedia("(min-width: 56rem)");

export function settingsView(page: Page): TemplateResult {
  const { loading, source } = page.state;
  const facts = loading.kind === "ready" ? `${loading.model.threads} × ${loading.model.build}` : loading.kind;
  const recommended = loading.kind === "ready" ? loading.model.recommendedSampling : {};
  return html`
    <details class="settings" ?open=${wide.matches}>
      <summary><span>Settings</span> <small>${sourceName(source)}, ${facts}</small></summary>
      ${modelForm(page)}
      <form id=${SAMPLING_FORM} aria-labelledby="sampling-title" @submit=${(event: Event) => event.preventDefault()}>
        <h2 id="sampling-title">Sampling</h2>
        <div class="fields">${SAMPLING.map((field) => numberField(field, recommended))}</div>
      </form>
    </details>
  `;
}
wide.addEventListener("change", () => {
  const settings = document.querySelector<HTMLDetailsElement>(".settings");
  if (settings) settings.open = wide.matches;
});

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
export function samplingOptions(): GenerateOptions | undefined {
  const form = document.getElementById(SAMPLING_FORM) as HTMLFormElement;
  if (!form.checkValidity()) {
    form.closest("details")!.open = true;
    form.reportValidity();
    return undefined;
  }
  const values = [...new FormData(form)].filter(([, value]) => value !== "");
  return Object.fromEntries(values.map(([name, value]) => [name, Number(value)]));
}

/**
 * Choices apply when the form is sent: loading takes seconds, and arrow keys pass over every choice there is.
 */
function modelForm(page: Page): TemplateResult {
  const { state, engine } = page;
  const { loading } = state;
  const settings = () => {
    const data = new FormData(document.getElementById("model-form") as HTMLFormElement);
    const threads = data.get("threads");
    return { threads: threads ? Number(threads) : undefined, build: data.get("build") as BuildName | "auto" };
  };
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const typed = String(new FormData(event.target as HTMLFormElement).get("source")).trim();
    engine.load(typed || (typeof state.source === "string" ? EMBEDDED : state.source), settings());
  };
  const hardware = crossOriginIsolated ? navigator.hardwareConcurrency : 1;
  return html`
    <form id="model-form" aria-labelledby="model-title" @submit=${submit}>
      <h2 id="model-title">Model</h2>
      ${modelFacts(state)}
      <label class="stacked">
        <span>URL or <code>hf:</code> name</span>
        <input name="source" type="text" placeholder="hf:org/model, https://…" autocomplete="off" spellcheck="false" />
      </label>
      <div class="fields">
        <label>
          <span>Threads</span>
          <select name="threads" ?disabled=${!crossOriginIsolated}>
            <option value="">automatic</option>
            ${Array.from({ length: hardware }, (_, i) => html`<option value=${i + 1}>${i + 1}</option>`)}
          </select>
        </label>
        <label>
          <span>WebAssembly</span>
          <select name="build">
            <option value="auto">automatic</option>
            <option value="relaxed">relaxed</option>
            <option value="relaxed-i16">relaxed, 16-bit dot</option>
            <option value="simd128">simd128</option>
          </select>
        </label>
      </div>
      <button type="submit">${loading.kind === "loading" ? "Load again" : "Load"}</button>
      ${dropZone({
        label: "Drop a model folder or a GGUF here",
        folders: true,
        take: (source) => engine.load(source, settings()),
      })}
    </form>
  `;
}

function modelFacts({ loading, source }: State): TemplateResult | typeof nothing {
  if (loading.kind !== "ready") return nothing;
  const { architecture, layers, contextSize, threads, build, memory, seconds } = loading.model;
  return factList([
    ["Model", sourceName(source)],
    ["Kind", `${architecture}, ${layers} layers`],
    ["Context", `${contextSize} tokens`],
    ["Running on", `${counted(threads, "thread")}, ${build}`],
    ["Memory", megabytes(memory)],
    ["Loaded in", `${seconds.toFixed(1)} s`],
  ]);
}
