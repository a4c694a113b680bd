/**
 * Chats, model and sampling: beside the content where there is room, else a sheet over it.
 */
import { html, nothing, type TemplateResult } from "lit-html";
import { live } from "lit-html/directives/live.js";
import { chatList } from "./chat-list.ts";
import { modelForm } from "./model-form.ts";
import type { Page } from "./page.ts";
import { samplingForm } from "./sampling.ts";
import { closeSheet, isNarrow, SHEET_CLOSE } from "./sheet.ts";

export function settingsView(page: Page): TemplateResult {
  const { state } = page;
  const isSheet = isNarrow();
  const write = (event: Event) => {
    state.system = (event.target as HTMLTextAreaElement).value;
  };
  return html`
    <div class="backdrop" ?hidden=${!isSheet || !state.sheet} @click=${() => closeSheet(page)}></div>
    <section
      class="settings"
      role=${isSheet ? "dialog" : "region"}
      aria-modal=${isSheet ? "true" : nothing}
      aria-label="Settings"
      ?inert=${isSheet && !state.sheet}
      data-open=${state.sheet ? "yes" : "no"}
    >
      <div class="sheet-head">
        <p>Settings</p>
        <button type="button" id=${SHEET_CLOSE} class="quiet" @click=${() => closeSheet(page)}>Done</button>
      </div>
      ${chatList(page)} ${modelForm(page)}
      <form aria-labelledby="system-title" @submit=${(event: Event) => event.preventDefault()}>
        <h2 id="system-title">System prompt</h2>
        <textarea
          name="system"
          rows="3"
          aria-labelledby="system-title"
          placeholder="What the model is told before the conversation"
          .value=${live(state.system)}
          @input=${write}
        ></textarea>
      </form>
      ${samplingForm(page)}
    </section>
  `;
}
