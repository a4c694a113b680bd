/** How the loaded model quantizes what goes into its layers. */
import { html, type TemplateResult } from "lit-html";
import { sourceName } from "../sources.ts";
import { layersPanel } from "./layers-panel.ts";
import type { Page } from "./page.ts";

export function layersView(page: Page): TemplateResult {
  const { policies, loading, source } = page.state;
  return html`
    <section class="page" aria-labelledby="layers-title">
      <h2 id="layers-title">Policy of each layer input</h2>
      <p>
        What enters a layer becomes 8-bit integers. Where the values spread little, one scale, calibrated once, serves all tokens.
        Where some channels are far larger than others, they are equalized first. Where one scale would still cost too much, each
        token gets its own.
      </p>
      ${
        policies
          ? layersPanel(page, policies, "loaded")
          : html`<p class="notice">
              ${loading.kind === "ready" ? `${sourceName(source)} was not quantized by a recipe, so it has no policy. Quantize it to see one.` : "There is no model yet."}
            </p>`
      }
    </section>
  `;
}
