/** Which model, computed how. */
import type { BuildName } from "fptq";
import { html, nothing, type TemplateResult } from "lit-html";
import { counted, megabytes } from "../format.ts";
import type { Source } from "../messages.ts";
import { MODELS } from "../model-list.ts";
import { EMBEDDED, sourceName } from "../sources.ts";
import type { State } from "../state.ts";
import { dropZone } from "./drop-zone.ts";
import { factList } from "./facts.ts";
import type { Page } from "./page.ts";

/**
 * Choices apply when the form is sent: loading takes seconds, and arrow keys pass over every choice there is.
 */
export function modelForm(page: Page): TemplateResult {
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
      ${modelFacts(state)} ${modelList(page, (source) => engine.load(source, settings()))}
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

/** Before there is a model its facts are dashes, so that nothing moves when they come. */
function modelFacts({ loading, source }: State): TemplateResult {
  const model = loading.kind === "ready" ? loading.model : undefined;
  return factList([
    ["Model", sourceName(source)],
    ["Kind", model ? `${model.architecture}, ${model.layers} layers` : "–"],
    ["Context", model ? `${model.contextSize} tokens` : "–"],
    ["Running on", model ? `${counted(model.threads, "thread")}, ${model.build}` : "–"],
    ["Memory", model ? megabytes(model.memory) : "–"],
    ["Loaded in", model ? `${model.seconds.toFixed(1)} s` : "–"],
  ]);
}

/** Models to try, each a button, with what it costs to download. */
function modelList({ state: { source } }: Page, load: (source: Source) => void): TemplateResult {
  return html`
    <details class="models">
      <summary>Models to try</summary>
      <ul>
        ${MODELS.map(
          ({ name, form, source: address, bytes, note }) => html`
            <li>
              <button type="button" aria-current=${address === source ? "true" : nothing} @click=${() => load(address)}>
                <strong>${name}</strong>
                <small>${form}${bytes === undefined ? "" : `, ${megabytes(bytes)}`}</small>
                <small>${note}</small>
              </button>
            </li>
          `,
        )}
      </ul>
      <p class="hint">All but the first come from the Hugging Face Hub. A download stays in this browser.</p>
    </details>
  `;
}
