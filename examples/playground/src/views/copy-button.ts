/** A button that puts a text on the clipboard, and says so on itself. */
import { html, type TemplateResult } from "lit-html";

/** Milliseconds that a button says what it did. */
const SAID_MS = 2000;

/** @param label for screen readers: what is copied */
export function copyButton(text: string, label: string): TemplateResult {
  const copy = async ({ currentTarget }: Event) => {
    const button = currentTarget as HTMLButtonElement;
    let said = "Copied";
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      said = "Not allowed";
    }
    button.dataset["said"] = said;
    button.ariaLabel = said;
    setTimeout(() => {
      delete button.dataset["said"];
      button.ariaLabel = label;
    }, SAID_MS);
  };
  return html`<button type="button" class="small quiet copy" aria-label=${label} @click=${copy}><span>Copy</span></button>`;
}
