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
        What enters a layer becomes 8-bit integers. Where the values spread little, one scale, calibrated once, serves all tokens.
        Where some channels are far larger than others, they are equalized first. Where one scale would still cost too much, each
        token gets its own.
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
