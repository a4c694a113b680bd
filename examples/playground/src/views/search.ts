/** Search by meaning: vectors of three documents and a query, and how near they are. */
import { html, nothing, type TemplateResult } from "lit-html";
import { runShown } from "../asked.ts";
import { number } from "../format.ts";
import { askedView } from "./asked.ts";
import type { Page } from "./page.ts";

const DOCUMENTS = [
  "Water boils at 100 degrees Celsius at sea level.",
  "The violin has four strings and is played with a bow.",
  "Cats sleep for about fourteen hours a day.",
];
const QUERY = "How long do kittens rest?";

export interface FoundDocument {
  readonly text: string;
  /** Cosine of its vector and that of the query. */
  readonly score: number;
}

export interface Found {
  /** The nearest first. */
  readonly documents: readonly FoundDocument[];
  readonly dimensions: number;
  readonly pooling: string;
  readonly made: boolean;
}

export function searchView(page: Page): TemplateResult {
  const { state } = page;
  const isReady = state.loading.kind === "ready" && state.found.kind !== "running";
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const data = new FormData(event.target as HTMLFormElement);
    void search(page, String(data.get("query")), data.getAll("document").map(String));
  };
  return html`
    <section class="page" aria-labelledby="search-title">
      <h2 id="search-title">Search by meaning</h2>
      <p>Each text becomes a vector. The nearer the vector of a document is to that of the query, the higher it is ranked.</p>
      <form class="demo" @submit=${submit}>
        ${DOCUMENTS.map(
          (text, at) =>
            html`<label
              ><span>Document ${at + 1}</span><textarea name="document" rows="2" required .defaultValue=${text}></textarea>
            </label>`,
        )}
        <label><span>Query</span><input name="query" type="text" required autocomplete="off" .defaultValue=${QUERY} /></label>
        <p class="buttons"><button type="submit" class="primary" ?disabled=${!isReady}>Search</button></p>
      </form>
      ${askedView(state.found, foundView)}
      ${state.loading.kind === "ready" ? nothing : html`<p class="notice">There is no model yet.</p>`}
    </section>
  `;
}

function foundView({ documents, dimensions, pooling, made }: Found): TemplateResult {
  return html`
    <ol class="found">
      ${documents.map(
        ({ text, score }) => html`
          <li>
            <meter min="0" max="1" value=${score} aria-hidden="true"></meter>
            <span>${text}</span> <small>cosine ${score.toFixed(3)}</small>
          </li>
        `,
      )}
    </ol>
    <p>
      Vectors of ${number(dimensions)} numbers, pooled by ${pooling}.
      ${made ? nothing : "This model was made for text, not for vectors, and its order is often wrong. Qwen3-Embedding, in the list of models, was made for it."}
    </p>
  `;
}

function search({ state, engine, changed }: Page, query: string, documents: readonly string[]): Promise<void> {
  const show = (asked: typeof state.found) => {
    state.found = asked;
    changed();
  };
  return runShown(show, async () => {
    const { scores, ...rest } = await engine.run({ name: "embed", query, documents });
    const found = documents.map((text, at) => ({ text, score: scores[at]! }));
    return { documents: found.toSorted((a, b) => b.score - a.score), ...rest };
  });
}
