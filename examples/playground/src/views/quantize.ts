/** A model in, a W4A8 folder out, without leaving the page. */
import { html, nothing, type TemplateResult } from "lit-html";
import { RECIPES } from "../recipes.ts";
import { duration, megabytes, number } from "../format.ts";
import type { QuantizeRequest, Source } from "../messages.ts";
import { canChooseFolder, saveToFolder } from "../saving.ts";
import type { Quantizing } from "../state.ts";
import { dropZone } from "./drop-zone.ts";
import { factList } from "./facts.ts";
import type { Page } from "./page.ts";
import { layersPanel } from "./layers-panel.ts";
import { failureView, progressView } from "./progress.ts";

export function quantizeView(page: Page): TemplateResult {
  const { quantizing } = page.state;
  return html`
    <section class="page" aria-labelledby="quantize-title">
      <h2 id="quantize-title">Quantize a model</h2>
      <p>
        A GGUF file or a Hugging Face folder becomes a folder with 4-bit weights. It is read here, in this page; nothing is
        uploaded.
      </p>
      ${choice(page, quantizing.kind === "running")} ${outcome(page)}
    </section>
  `;
}

const FORM = "quantize-form";

/** Hidden while something is quantized, so that what was chosen is still there afterwards. */
function choice(page: Page, isHidden: boolean): TemplateResult {
  const start = async (source: Source) => {
    const form = document.getElementById(FORM) as HTMLFormElement;
    if (!form.reportValidity()) return;
    page.quantizer.start(source, await optionsOf(new FormData(form)));
  };
  return html`
    <div class="choice" ?hidden=${isHidden}>
      <form id=${FORM} @submit=${(event: Event) => event.preventDefault()}>
        <div class="fields">
          <label>
            <span>Recipe</span>
            <select name="recipe">
              ${RECIPES.map(({ name, label }) => html`<option value=${name}>${label}</option>`)}
            </select>
          </label>
          <label
            ><span>Calibration samples</span><input name="samples" type="number" min="1" max="1024" step="1" value="16" required
          /></label>
          <label
            ><span>Tokens in each</span><input name="contextSize" type="number" min="1" max="8192" step="1" value="256" required
          /></label>
          <label title="Without a text, calibration runs on random tokens">
            <span>Calibration text</span><input name="text" type="file" accept=".txt,.jsonl,text/plain" />
          </label>
        </div>
      </form>
      ${dropZone({ label: "Drop a GGUF or a model folder here", folders: true, take: (source) => void start(source) })}
    </div>
  `;
}

async function optionsOf(form: FormData): Promise<(QuantizeRequest & { kind: "quantize" })["options"]> {
  const text = form.get("text") as File;
  return {
    recipe: String(form.get("recipe")),
    samples: Number(form.get("samples")),
    contextSize: Number(form.get("contextSize")),
    calibration: text.size > 0 ? { kind: "text", text: await text.text(), name: text.name } : undefined,
  };
}

function running({ quantizer }: Page, { name, progress }: Quantizing & { kind: "running" }): TemplateResult {
  return html`
    <h3>${name}</h3>
    ${progressView("Quantizing", progress)}
    <p class="buttons"><button type="button" @click=${() => quantizer.cancel()}>Cancel</button></p>
  `;
}

function outcome(page: Page): TemplateResult | typeof nothing {
  const { quantizing } = page.state;
  if (quantizing.kind === "running") return running(page, quantizing);
  if (quantizing.kind === "failed") return failureView(quantizing.why);
  if (quantizing.kind === "cancelled") return html`<p class="notice" role="status">Cancelled. Nothing was kept.</p>`;
  return quantizing.kind === "done" ? result(page, quantizing) : nothing;
}

function result(page: Page, { source, files, report, policies }: Quantizing & { kind: "done" }): TemplateResult {
  const { state, engine, quantizer, changed } = page;
  const facts: [string, string][] = [
    ["Size", megabytes(files.reduce((sum, { size }) => sum + size, 0))],
    ["Bits per weight", number(report.bits_per_weight, 2)],
    ["Recipe", report.recipe.name],
    ["Calibrated on", `${number(report.calibration.tokens)} tokens, ${report.calibration.source}`],
    ["Took", duration(report.seconds)],
  ];
  const chat = () => {
    const quantized = { name: `${report.source.replace(/\.gguf$/i, "")}-w4a8`, files };
    state.original = { of: quantized, source };
    engine.load(quantized, { threads: undefined, build: "auto" });
    state.view = "chat";
    changed();
  };
  const save = () =>
    saveToFolder(files).then(
      (saved) => {
        if (saved) state.announcement = "Saved.";
        changed();
      },
      (error: Error) => {
        state.quantizing = { kind: "failed", why: { summary: "The folder could not be written.", detail: error.message } };
        changed();
      },
    );
  return html`
    <h3>${report.source}</h3>
    ${factList(facts)}
    <p class="buttons">
      <button type="button" class="primary" @click=${() => quantizer.download()}>Download as zip</button>
      ${canChooseFolder() ? html`<button type="button" @click=${save}>Save to a folder</button>` : nothing}
      <button type="button" @click=${chat}>Chat with it</button>
    </p>
    ${layersPanel(page, policies, "quantized")}
  `;
}
