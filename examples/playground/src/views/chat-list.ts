/** The chats that are kept. */
import { html, nothing, type TemplateResult } from "lit-html";
import { repeat } from "lit-html/directives/repeat.js";
import type { SavedChat } from "../chat-store.ts";
import type { Page } from "./page.ts";
import { closeSheet } from "./sheet.ts";

const DATES = new Intl.DateTimeFormat("en", { dateStyle: "medium", timeStyle: "short" });

export function chatList(page: Page): TemplateResult {
  const { state, chats } = page;
  return html`
    <div class="chats">
      <h2 id="chats-title">Chats</h2>
      ${kept(page)}
      ${
        state.removed
          ? html`<p class="notice">
              Deleted. <button type="button" class="small" @click=${() => void chats.restore()}>Undo</button>
            </p>`
          : nothing
      }
    </div>
  `;
}

function kept(page: Page): TemplateResult {
  const { chats } = page.state;
  if (chats === "none")
    return html`<p class="hint">This window has no private storage (OPFS), so chats are gone when it is closed.</p>`;
  if (chats === undefined || chats.length === 0)
    return html`<p class="hint">Chats are kept in this browser, and nowhere else.</p>`;
  return html`
    <ul aria-labelledby="chats-title">
      ${repeat(
        chats,
        ({ id }) => id,
        (chat) => entry(page, chat),
      )}
    </ul>
  `;
}

function entry(page: Page, chat: SavedChat): TemplateResult {
  const { state, chats } = page;
  const { id, title, saved, model } = chat;
  const isBusy = state.generating !== undefined;
  const open = () => {
    chats.open(chat);
    closeSheet(page);
  };
  return html`
    <li>
      <button
        type="button"
        class="chat-title"
        title=${`${model}, ${DATES.format(saved)}`}
        aria-current=${id === chats.openId ? "true" : nothing}
        ?disabled=${isBusy}
        @click=${open}
      >
        ${title}
      </button>
      <button
        type="button"
        class="quiet small"
        aria-label=${`Delete ${title}`}
        ?disabled=${isBusy}
        @click=${() => void chats.remove(chat)}
      >
        <span aria-hidden="true">✕</span>
      </button>
    </li>
  `;
}
