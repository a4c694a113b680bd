/** The page: its state, what changes it, and one drawing of it per frame at most. */
import { html, nothing, render, type TemplateResult } from "lit-html";
import { Chats } from "./chats.ts";
import { Comparer } from "./comparer.ts";
import { Engine } from "./engine.ts";
import { keepPage } from "./offline.ts";
import { Quantizer } from "./quantizer.ts";
import { EMBEDDED, sourceName } from "./sources.ts";
import { initialState, type View } from "./state.ts";
import { chatView } from "./views/chat.ts";
import { compareView } from "./views/compare.ts";
import { exactView } from "./views/exact.ts";
import { formsView } from "./views/forms.ts";
import { layersView } from "./views/layers.ts";
import { quantizeView } from "./views/quantize.ts";
import type { Page } from "./views/page.ts";
import { searchView } from "./views/search.ts";
import { settingsView } from "./views/settings.ts";
import { closeSheet, isNarrow, onWidth, openSheet, SHEET_OPEN } from "./views/sheet.ts";
import { toolsView } from "./views/tools.ts";

const VIEWS: readonly (readonly [View, string])[] = [
  ["chat", "Chat"],
  ["forms", "JSON"],
  ["tools", "Tools"],
  ["search", "Search"],
  ["compare", "Compare"],
  ["layers", "Layers"],
  ["exact", "Exact"],
  ["quantize", "Quantize"],
];

const state = initialState(EMBEDDED);
let drawing = 0;
/** Tokens come faster than frames: what changed in between is drawn together. */
const changed = () => {
  drawing ||= requestAnimationFrame(() => {
    drawing = 0;
    draw();
  });
};
const chats = new Chats(state, changed);
const engine = new Engine(state, changed, () => void chats.keep());
const comparer = new Comparer(state, changed, engine);
const page: Page = { state, changed, engine, chats, comparer, quantizer: new Quantizer(state, changed) };

function show(view: View, { currentTarget }: Event): void {
  state.view = view;
  changed();
  // On a phone not all of them are in sight.
  (currentTarget as HTMLElement).scrollIntoView({ block: "nearest", inline: "center" });
}

/** Forms are always there, hidden, so that what was written into them is not lost. */
const KEPT = { forms: formsView, tools: toolsView, search: searchView, compare: compareView, quantize: quantizeView } as const;

function views(): TemplateResult {
  const kept = Object.entries(KEPT).map(
    ([name, view]) => html`<div class="view" ?hidden=${state.view !== name}>${view(page)}</div>`,
  );
  return html`
    ${state.view === "chat" ? chatView(page) : nothing} ${state.view === "layers" ? layersView(page) : nothing}
    ${state.view === "exact" ? exactView(page) : nothing} ${kept}
  `;
}

function draw(): void {
  const tabs = VIEWS.map(
    ([name, label]) => html`
      <button type="button" aria-current=${state.view === name ? "page" : nothing} @click=${(event: Event) => show(name, event)}>
        ${label}
      </button>
    `,
  );
  const isCovered = isNarrow() && state.sheet;
  const { loading, source } = state;
  const content = html`
    <a class="skip" href="#content" ?inert=${isCovered}>Skip to the content</a>
    <header ?inert=${isCovered}>
      <h1>fptq <span>playground</span></h1>
      <button
        type="button"
        id=${SHEET_OPEN}
        class="small"
        aria-haspopup="dialog"
        aria-label=${`Settings. ${sourceName(source)}, ${loading.kind}`}
        ?hidden=${!isNarrow()}
        @click=${() => openSheet(page)}
      >
        <span>${sourceName(source)}</span><span aria-hidden="true">⚙</span>
      </button>
      <nav aria-label="Views">${tabs}</nav>
    </header>
    ${state.warnings.map((warning) => html`<p class="warning" role="note">${warning}</p>`)}
    <div class="columns">
      ${settingsView(page)}
      <main id="content" tabindex="-1" ?inert=${isCovered}>${views()}</main>
    </div>
    <p class="for-screen-readers" role="status">${state.announcement}</p>
  `;
  render(content, document.body);
}

// A drop beside the places that take one would leave the page.
for (const type of ["dragover", "drop"]) addEventListener(type, (event) => event.preventDefault());
addEventListener("keydown", ({ key }) => {
  if (key !== "Escape") return;
  if (state.sheet) closeSheet(page);
  else engine.stop();
});
onWidth(changed);
keepPage();
engine.load(EMBEDDED, { threads: undefined, build: "auto" });
