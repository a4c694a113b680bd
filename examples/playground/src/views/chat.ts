/** The conversation. */
import type { GenerationResult, StopReason } from "fptq";
import { html, nothing, type TemplateResult } from "lit-html";
import { live } from "lit-html/directives/live.js";
import { counted, megabytes, rate } from "../format.ts";
import { sourceName } from "../sources.ts";
import type { Message, State } from "../state.ts";
import { copyButton } from "./copy-button.ts";
import { markdownView } from "./markdown.ts";
import type { Page } from "./page.ts";
import { failureView, progressView } from "./progress.ts";
import { samplingOptions } from "./sampling.ts";

const EXAMPLES = ["Why is the sky blue?", "Write a haiku about the sea.", "Give me three ideas for a rainy day."];

const ENDS: Readonly<Record<StopReason, string>> = {
  eos: "complete",
  stop: "complete",
  length: "ended at the most tokens",
  context: "ended at the end of the context",
  cancelled: "stopped",
};

export function chatView(page: Page): TemplateResult {
  const { state } = page;
  const { messages, generating, chatError } = state;
  return html`
    <section class="chat" aria-labelledby="conversation-title">
      <h2 id="conversation-title" class="for-screen-readers">Chat</h2>
      <div class="log" role="log" aria-label="Conversation" aria-busy=${generating ? "true" : "false"} tabindex="0">
        <div>
          ${messages.map((message, at) => messageView(page, message, at === messages.length - 1))}
          ${messages.length === 0 || state.loading.kind !== "ready" ? beginning(page) : nothing}
          ${chatError ? failureView(chatError) : nothing}
        </div>
      </div>
      ${composer(page)}
    </section>
  `;
}

function beginning(page: Page): TemplateResult {
  const { state, engine } = page;
  const { loading, source } = state;
  const name = sourceName(source);
  const title = name.replace(/^the /, "The ");
  if (loading.kind === "loading") {
    return html`
      <div class="beginning">
        <h2>Loading ${name}</h2>
        ${progressView("Loading the model", loading.progress)}
        <button type="button" @click=${() => engine.cancelLoading()}>Cancel</button>
      </div>
    `;
  }
  if (loading.kind === "failed") {
    return html`<div class="beginning">
      <h2>${title} could not be loaded</h2>
      ${failureView(loading.why)}
    </div>`;
  }
  if (loading.kind === "cancelled")
    return html`<div class="beginning">
      <h2>Nothing loaded</h2>
      <p>Choose a model and press Load.</p>
    </div>`;
  const { memory, chats } = loading.model;
  return html`
    <div class="beginning">
      <h2>${chats ? "Ask something" : "Begin a text"}</h2>
      <p>
        ${chats ? "" : "This model has no chat template: it continues what you write. "}Everything is computed in this page, in
        ${megabytes(memory)} of memory. Nothing you write leaves it.
      </p>
      ${chats ? html`<p class="examples">${EXAMPLES.map((text) => html`<button type="button" @click=${() => send(page, text)}>${text}</button>`)}</p>` : nothing}
    </div>
  `;
}

/** @param isLast the last message may still grow, and can be answered again */
function messageView(page: Page, { role, content, result }: Message, isLast: boolean): TemplateResult {
  const { state } = page;
  if (role === "user") return html`<article class="user" aria-label="You"><div class="text">${content}</div></article>`;
  const isGrowing = isLast && state.generating !== undefined;
  return html`
    <article class="assistant" aria-label="Model">
      <div class=${`text markdown${isGrowing ? " growing" : ""}`}>${markdownView(content)}</div>
      ${isGrowing ? growing(state) : result ? ended(result) : nothing}
      ${isGrowing ? nothing : answerButtons(page, content, isLast)}
    </article>
  `;
}

function answerButtons(page: Page, content: string, isLast: boolean): TemplateResult {
  const { state, engine } = page;
  const again = () => {
    const options = samplingOptions(page);
    if (options) engine.answerAgain(options);
  };
  const button = html`
    <button
      type="button"
      class="small quiet"
      title="With a seed in the settings, the answer is the same again"
      ?disabled=${state.loading.kind !== "ready" || state.generating !== undefined}
      @click=${again}
    >
      Answer again
    </button>
  `;
  return html`<div class="answer-buttons">${copyButton(content, "Copy the answer")}${isLast ? button : nothing}</div>`;
}

function growing({ generating }: State): TemplateResult {
  const { startedAt, pieces } = generating!;
  if (startedAt === undefined) return html`<p class="figures">reading the prompt</p>`;
  const seconds = (performance.now() - startedAt) / 1000;
  return html`<p class="figures">${pieces > 8 ? `writing, about ${rate((pieces - 1) / seconds)}` : "writing"}</p>`;
}

function ended({ prefill, decode, stop, seed }: GenerationResult): TemplateResult {
  return html`
    <dl class="figures">
      <div>
        <dt>Prefill</dt>
        <dd>${rate(prefill.tokensPerSecond)} <small>${counted(prefill.tokens, "token")}</small></dd>
      </div>
      <div>
        <dt>Decode</dt>
        <dd>${rate(decode.tokensPerSecond)} <small>${counted(decode.tokens, "token")}</small></dd>
      </div>
      <div>
        <dt>Seed</dt>
        <dd>${seed}</dd>
      </div>
      <div>
        <dt>End</dt>
        <dd>${ENDS[stop]}</dd>
      </div>
    </dl>
  `;
}

function send(page: Page, text: string): boolean {
  const { state, engine } = page;
  if (state.loading.kind !== "ready" || state.generating || text.trim() === "") return false;
  const options = samplingOptions(page);
  if (!options) return false;
  engine.ask(text.trim(), options);
  focusMessage();
  return true;
}

function composer(page: Page): TemplateResult {
  const { state, engine, chats } = page;
  const { loading, generating, messages } = state;
  const submit = (event: Event) => {
    event.preventDefault();
    if (generating) engine.stop();
    else if (send(page, state.draft)) state.draft = "";
  };
  const key = (event: KeyboardEvent) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    if (!generating) (event.target as HTMLTextAreaElement).form!.requestSubmit();
  };
  const write = (event: Event) => {
    state.draft = (event.target as HTMLTextAreaElement).value;
  };
  const clear = () => {
    chats.begin();
    focusMessage();
  };
  return html`
    <form class="composer" @submit=${submit}>
      <label class="for-screen-readers" for="prompt">Message</label>
      <textarea
        id="prompt"
        rows="2"
        placeholder="Message"
        aria-describedby="composer-hint"
        .value=${live(state.draft)}
        @input=${write}
        @keydown=${key}
      ></textarea>
      <div class="actions">
        <p id="composer-hint">Enter sends, Shift+Enter begins a line, Esc stops.</p>
        <button type="button" class="quiet" ?disabled=${messages.length === 0 || generating !== undefined} @click=${clear}>
          New chat
        </button>
        <button type="submit" class="primary" ?disabled=${loading.kind !== "ready"}>${generating ? "Stop" : "Send"}</button>
      </div>
    </form>
  `;
}

/** Where the keyboard goes on when what it was on is no longer there. */
const focusMessage = () => document.getElementById("prompt")!.focus();
