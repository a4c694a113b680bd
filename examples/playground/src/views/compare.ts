/** The loaded model and its float original side by side, with the tokens that differ marked. */
import { html, nothing, type TemplateResult } from "lit-html";
import type { ComparedText, Comparison } from "../comparer.ts";
import { counted, number, rate } from "../format.ts";
import type { Source } from "../messages.ts";
import { EMBEDDED, EMBEDDED_ORIGINAL, sourceName } from "../sources.ts";
import { askedView } from "./asked.ts";
import { dropZone } from "./drop-zone.ts";
import type { Page } from "./page.ts";
import { progressView } from "./progress.ts";

const FORM = "compare-form";

export function compareView(page: Page): TemplateResult {
  const { state } = page;
  const { loading, comparison, referenceProgress, generating } = state;
  const isReady = loading.kind === "ready" && comparison.kind !== "running" && generating === undefined;
  const start = (source: Source | undefined) => {
    const form = document.getElementById(FORM) as HTMLFormElement;
    if (source === undefined || source === "") return (form.elements.namedItem("original") as HTMLInputElement).focus();
    if (isReady) void page.comparer.compare(source, String(new FormData(form).get("text")));
  };
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const typed = String(new FormData(event.target as HTMLFormElement).get("original")).trim();
    start(typed || originalOf(page));
  };
  const original = originalOf(page);
  const placeholder = original === undefined ? "hf:org/model, https://…" : sourceName(original);
  return html`
    <section class="page" aria-labelledby="compare-title">
      <h2 id="compare-title">Beside the float model</h2>
      <p>
        Both models answer the same question with their likeliest tokens. Once one token differs, the texts go different ways; so
        the float model also says which token it would have taken at each place of the quantized model's text.
      </p>
      <form id=${FORM} class="demo" @submit=${submit}>
        <label
          ><span>Question</span
          ><input name="text" type="text" required autocomplete="off" .defaultValue=${"What is the capital of France?"}
        /></label>
        <label>
          <span
            >Float model, URL or
            <code>hf:</code> name${original !== undefined && original === EMBEDDED_ORIGINAL ? ", 269 MB to download" : ""}</span
          >
          <input name="original" type="text" placeholder=${placeholder} autocomplete="off" spellcheck="false" />
        </label>
        <p class="buttons"><button type="submit" class="primary" ?disabled=${!isReady}>Compare</button></p>
      </form>
      ${dropZone({ label: "Or drop the float model here: a folder or a GGUF", folders: true, take: start })}
      ${comparison.kind === "running" && referenceProgress ? progressView("Loading the float model", referenceProgress) : nothing}
      ${askedView(comparison, comparisonView)}
      ${loading.kind === "ready" ? nothing : html`<p class="notice">There is no model yet.</p>`}
    </section>
  `;
}

/** What the loaded model was made of, as far as the page knows. */
function originalOf({ state: { source, original } }: Page): Source | undefined {
  if (original?.of === source) return original.source;
  return source === EMBEDDED ? EMBEDDED_ORIGINAL : undefined;
}

function comparisonView({ quantized, float, agreed }: Comparison): TemplateResult {
  const { length } = quantized.tokens;
  return html`
    <div class="beside">${textView(quantized, "quantized")} ${textView(float, "float")}</div>
    <p>
      Given the quantized model's text, the float model would have taken the same token at ${agreed} of
      ${counted(length, "place")} (${number((100 * agreed) / Math.max(length, 1))} %). Marked tokens are not in the other text;
      those underlined are where the float model would have said something else: point at one to see what.
    </p>
  `;
}

function textView({ model, tokens, tokensPerSecond }: ComparedText, kind: string): TemplateResult {
  const drawn = tokens.map(({ text, isCommon, instead }) => {
    const title = instead === undefined ? nothing : `The float model: ${JSON.stringify(instead)}`;
    const kindOf = instead === undefined ? nothing : "instead";
    return isCommon
      ? html`<span class=${kindOf} title=${title}>${text}</span>`
      : html`<mark class=${kindOf} title=${title}>${text}</mark>`;
  });
  return html`
    <figure class=${`compared ${kind}`}>
      <figcaption><strong>${model}</strong> <small>${kind}, ${rate(tokensPerSecond)}</small></figcaption>
      <p class="tokens">${drawn}</p>
    </figure>
  `;
}
