/** How the loaded model quantizes what goes into its layers. */
import { html, type TemplateResult } from "lit-html";
import { sourceName } from "../sources.ts";
import type { State } from "../state.ts";
import { policyPicture } from "./policy-picture.ts";

export function layersView({ policies, loading, source }: State): TemplateResult {
  return html`
    <section class="page" aria-labelledby="layers-title">
      <h2 id="layers-title">Policy of each layer input</h2>
      <p>
        How the activations that enter a layer become 8-bit integers depends on how far they spread during calibration. Where they
        stay small, one scale serves all tokens; where they spread further, their channels are equalized first; where they spread
        most, each token gets a scale of its own.
      </p>
      ${
        policies
          ? policyPicture(policies, "loaded")
          : html`<p class="notice">
              ${loading.kind === "ready" ? `${sourceName(source)} is not quantized: it runs in float32 and has no policy.` : "There is no model yet."}
            </p>`
      }
    </section>
  `;
}
