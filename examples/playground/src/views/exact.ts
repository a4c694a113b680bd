/** Why exact: the hash of the logits that this browser computes, beside the published one. */
import { html, nothing, type TemplateResult } from "lit-html";
import { runShown } from "../asked.ts";
import { counted, number } from "../format.ts";
import published from "../published-logits.json";
import { askedView } from "./asked.ts";
import type { Page } from "./page.ts";

/** One computation of the logits. */
export interface Digest {
  readonly threads: number;
  readonly build: string;
  readonly hash: string;
  readonly tokens: number;
  readonly numbers: number;
  /** Digest of the model's index; undefined for a model without. */
  readonly indexHash: string | undefined;
}

export function exactView(page: Page): TemplateResult {
  const { state } = page;
  const { loading, digest } = state;
  const isPublished = state.indexHash === published.index_sha256;
  return html`
    <section class="page" aria-labelledby="exact-title">
      <h2 id="exact-title">The same bits everywhere</h2>
      <p>
        The same files and the same text give the same logits, bit for bit: in Node, Deno, Bun, Workers and browsers, with any
        number of threads, whichever WebAssembly the engine has. So an answer can be repeated and checked.
      </p>
      <p>
        Here is the text whose logits are hashed: “${published.text}” Load the model with other threads or another WebAssembly,
        and compute again.
      </p>
      <p class="buttons">
        <button
          type="button"
          class="primary"
          ?disabled=${loading.kind !== "ready" || digest.kind === "running" || state.generating !== undefined}
          @click=${() => void compute(page)}
        >
          Compute here
        </button>
      </p>
      ${
        isPublished
          ? html`<p>Published, SHA-256 of the logits: <code class="hash">${published.logits_sha256}</code></p>`
          : html`<p class="notice">
              ${loading.kind === "ready" ? "No hash is published for this model. Runs of it can be compared with each other." : "There is no model yet."}
            </p>`
      }
      ${askedView(digest, (runs) => runsView(runs, page))}
    </section>
  `;
}

function runsView(runs: readonly Digest[], { state: { indexHash } }: Page): TemplateResult {
  const last = runs.at(-1)!;
  const wanted = indexHash === published.index_sha256 ? published.logits_sha256 : undefined;
  const isEqual = wanted === undefined ? undefined : last.hash === wanted;
  return html`
    ${
      isEqual === undefined
        ? nothing
        : html`<p class=${isEqual ? "verdict equal" : "verdict differs"}>
            ${isEqual ? "✓ Equal: this browser computed the published bits." : "✗ Different: these are not the published bits."}
          </p>`
    }
    <div class="scroll" tabindex="0" role="region" aria-label="Hashes computed in this browser">
      <table>
        <thead>
          <tr>
            <th scope="col">Threads</th>
            <th scope="col">WebAssembly</th>
            <th scope="col">SHA-256 of the logits</th>
          </tr>
        </thead>
        <tbody>
          ${runs.map(
            ({ threads, build, hash }) => html`
              <tr>
                <td>${threads}</td>
                <td>${build}</td>
                <td><code class="hash">${hash}</code></td>
              </tr>
            `,
          )}
        </tbody>
      </table>
    </div>
    <p>
      ${counted(last.numbers, "number")} after ${counted(last.tokens, "token")}: ${number((last.numbers * 4) / 1e6, 1)} MB were
      hashed.
    </p>
  `;
}

function compute({ state, engine, changed }: Page): Promise<void> {
  const { digest, indexHash, loading } = state;
  const before = digest.kind === "done" ? digest.value.filter((run) => run.indexHash === indexHash) : [];
  const show = (asked: typeof state.digest) => {
    state.digest = asked;
    changed();
  };
  return runShown(show, async () => {
    const computed = await engine.run({ name: "digest", text: published.text });
    const { threads, build } = loading.kind === "ready" ? loading.model : { threads: 0, build: "" };
    return [...before, { ...computed, threads, build, indexHash }];
  });
}
