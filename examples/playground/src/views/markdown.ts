/**
 * Markdown as a person reads it. marked finds its parts, and each part becomes a template: no string is ever
 * read as HTML, so what a model writes can be nothing but text, and HTML in it is shown as it stands.
 *
 * While an answer grows, blocks that are whole stay as they are in the page. Only the last is drawn again.
 */
import { html, nothing, type TemplateResult } from "lit-html";
import { guard } from "lit-html/directives/guard.js";
import { marked, type MarkedToken, type Token, type Tokens } from "marked";
import { copyButton } from "./copy-button.ts";

/** A line break is one, as people write in chats. */
const OPTIONS = { gfm: true, breaks: true } as const;
/** Deeper ones are shown as their text: lists in lists in lists cost a browser more than they say. */
const MOST_DEPTH = 16;
/** Schemes that a link may have. */
const LINK = /^(https?:|mailto:)/i;
const ENTITIES: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', "#39": "'", nbsp: "\u00a0" };

/** Drawn again only when the text is another one: a conversation has many, and one of them grows. */
export function markdownView(text: string): unknown {
  return guard([text], () => partsOf(text).map((token) => guard([token.raw], () => blockView(token, 0))));
}

/** What marked cannot read, thousands of quotes in quotes, is shown as it stands. */
function partsOf(text: string): readonly Token[] {
  try {
    return marked.lexer(text, OPTIONS);
  } catch {
    return [{ type: "text", raw: text, text }];
  }
}

type Drawn = TemplateResult | string | typeof nothing;

function blockView(generic: Token, depth: number): Drawn {
  const token = generic as MarkedToken;
  if (depth > MOST_DEPTH) return token.raw;
  switch (token.type) {
    case "space":
    case "def":
      return nothing;
    case "heading":
      // One level for all: a model may begin with any, and a page's levels may not be skipped.
      return html`<p class=${`heading of-${token.depth}`} role="heading" aria-level="3">${inline(token, depth)}</p>`;
    case "paragraph":
      return html`<p>${inline(token, depth)}</p>`;
    case "text":
      return token.tokens ? html`${inline(token, depth)}` : plain(token.text);
    case "code":
      return codeView(token);
    case "blockquote":
      return html`<blockquote>${blocks(token.tokens, depth)}</blockquote>`;
    case "list":
      return listView(token, depth);
    case "table":
      return tableView(token, depth);
    case "hr":
      return html`<hr />`;
    case "html":
      return html`<p>${token.raw.trimEnd()}</p>`;
    default:
      return inlineView(token, depth);
  }
}

const blocks = (tokens: readonly Token[] | undefined, depth: number) =>
  (tokens ?? []).map((token) => blockView(token, depth + 1));
const inline = ({ tokens }: { tokens?: Token[] | undefined }, depth: number) =>
  (tokens ?? []).map((token) => inlineView(token, depth + 1));

function inlineView(generic: Token, depth: number): Drawn {
  const token = generic as MarkedToken;
  if (depth > MOST_DEPTH) return token.raw;
  switch (token.type) {
    case "strong":
      return html`<strong>${inline(token, depth)}</strong>`;
    case "em":
      return html`<em>${inline(token, depth)}</em>`;
    case "del":
      return html`<del>${inline(token, depth)}</del>`;
    case "codespan":
      return html`<code>${token.text}</code>`;
    case "br":
      return html`<br />`;
    case "link":
      return linkView(token.href, html`${inline(token, depth)}`);
    case "image":
      // The policy of the page loads none from elsewhere, and nothing a model names is to be asked for.
      return linkView(token.href, token.text || token.href);
    case "text":
      return token.tokens ? html`${inline(token, depth)}` : plain(token.text);
    case "escape":
      return token.text;
    default:
      return token.raw;
  }
}

function linkView(href: string, content: TemplateResult | string): Drawn {
  return LINK.test(href) ? html`<a href=${href} target="_blank" rel="noopener noreferrer">${content}</a>` : html`${content}`;
}

function codeView({ text, lang }: Tokens.Code): TemplateResult {
  const language = /^[\w+#.-]*/.exec(lang ?? "")![0];
  return html`
    <figure class="code">
      <figcaption><span>${language || "code"}</span>${copyButton(text, "Copy the code")}</figcaption>
      <pre tabindex="0" aria-label=${`Code${language ? `, ${language}` : ""}`} role="region"><code>${text}</code></pre>
    </figure>
  `;
}

function listView({ items, ordered, start }: Tokens.List, depth: number): TemplateResult {
  const entries = items.map(
    (item) =>
      html`<li>
        ${item.task ? (item.checked ? "☑ " : "☐ ") : nothing}${blocks(
          item.tokens.filter(({ type }) => type !== "checkbox"),
          depth,
        )}
      </li>`,
  );
  return ordered
    ? html`<ol start=${start || 1}>
        ${entries}
      </ol>`
    : html`<ul>
        ${entries}
      </ul>`;
}

function tableView({ header, rows }: Tokens.Table, depth: number): TemplateResult {
  return html`
    <div class="scroll" tabindex="0" role="region" aria-label="Table">
      <table>
        <thead>
          <tr>
            ${header.map((cell) => html`<th scope="col">${inline(cell, depth)}</th>`)}
          </tr>
        </thead>
        <tbody>
          ${rows.map(
            (row) =>
              html`<tr>
                ${row.map((cell) => html`<td>${inline(cell, depth)}</td>`)}
              </tr>`,
          )}
        </tbody>
      </table>
    </div>
  `;
}

const plain = (text: string) => text.replaceAll(/&(amp|lt|gt|quot|#39|nbsp);/g, (whole, name: string) => ENTITIES[name] ?? whole);
