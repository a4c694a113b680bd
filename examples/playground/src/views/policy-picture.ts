/**
 * The policy of every layer input as a picture: layers x inputs, one cell each (as the figures of FPTQ,
 * section 3.2, are read: ranges that grow with depth, worst at the down projection). Kinds differ in
 * brightness and pattern, not in colour alone.
 */
import { html, nothing, svg, type SVGTemplateResult, type TemplateResult } from "lit-html";
import { number } from "../format.ts";
import { countKinds, type Input, type InputPolicy, INPUTS, KINDS, type LayerPolicies, type PolicyKind } from "../policies.ts";

/** Which layer is looked at, and how it becomes another one. */
export interface Selection {
  readonly layer: number;
  select(layer: number): void;
}

export const INPUT_LABELS: Readonly<Record<Input, string>> = { qkv: "q, k, v", o: "attn. out", up: "gate, up", down: "down" };
const KIND_LABELS: Readonly<Record<PolicyKind, string>> = {
  static: "static: one scale",
  equalized: "equalized, then static",
  dynamic: "dynamic: a scale per token",
  fp8: "8-bit floats",
  none: "not quantized",
};
/** Those of Algorithm 1; the legend has them even where there are none. */
const PAPER_KINDS: ReadonlySet<PolicyKind> = new Set(["static", "equalized", "dynamic"]);
/** Cells of the picture. */
const SIZE = 20;
const GAP = 2;
const LABEL = 64;
const TICKS = 18;
/** Layers between two that are numbered. */
const TICK_STEP = 5;

/**
 * Layers from left to right where there is room, from top to bottom on a phone.
 *
 * @param id begins the ids of this picture, which are of the whole page
 */
export function policyPicture(policies: LayerPolicies, id: string, selection: Selection): TemplateResult {
  const counts = countKinds(policies);
  const present = KINDS.filter((kind) => counts[kind] > 0 || PAPER_KINDS.has(kind));
  const total = policies.length * INPUTS.length;
  const summary = `${policies.length} layers with ${INPUTS.length} inputs each: ${present.map((kind) => `${counts[kind]} ${kind}`).join(", ")}.`;
  return html`
    <figure class="policy">
      ${grid(policies, "wide", summary, id, selection)} ${grid(policies, "tall", summary, id, selection)}
      <figcaption>
        <ul class="legend">
          ${present.map(
            (kind) => html`
              <li>
                <svg viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">
                  ${patterns(`${id}-key-${kind}`)}${cell(kind, 0, 0, 16, `${id}-key-${kind}`)}
                </svg>
                ${KIND_LABELS[kind]} <span>${counts[kind]} of ${total}</span>
              </li>
            `,
          )}
        </ul>
      </figcaption>
    </figure>
  `;
}

function grid(
  policies: LayerPolicies,
  shape: "wide" | "tall",
  summary: string,
  id: string,
  { layer: selected, select }: Selection,
): TemplateResult {
  const isWide = shape === "wide";
  const along = policies.length * SIZE;
  const across = INPUTS.length * SIZE;
  // On its side, names of inputs stand above their column.
  const [width, height] = isWide ? [LABEL + along, across + TICKS] : [TICKS + INPUTS.length * LABEL, TICKS + along];
  const cells = policies.flatMap((layer, at) =>
    INPUTS.map((input, row) => {
      const [x, y] = isWide ? [LABEL + at * SIZE, row * SIZE] : [TICKS + row * LABEL, TICKS + at * SIZE];
      const cellWidth = isWide ? SIZE - GAP : LABEL - GAP;
      return svg`<g @pointerenter=${() => select(at)}><title>${describe(at, input, layer[input])}</title>${cell(layer[input].kind, x, y, SIZE - GAP, `${id}-${shape}`, cellWidth)}</g>`;
    }),
  );
  const [frameX, frameY] = isWide ? [LABEL + selected * SIZE, 0] : [TICKS, TICKS + selected * SIZE];
  const frame = svg`
    <rect
      class="selected"
      x=${frameX - GAP / 2}
      y=${frameY - GAP / 2}
      width=${isWide ? SIZE : INPUTS.length * LABEL}
      height=${isWide ? across : SIZE}
      rx="3"
    />
  `;
  const names = INPUTS.map((input, row) =>
    isWide
      ? svg`<text x=${LABEL - 8} y=${row * SIZE + SIZE / 2 - 1} text-anchor="end" dominant-baseline="central">${INPUT_LABELS[input]}</text>`
      : svg`<text x=${TICKS + row * LABEL + (LABEL - GAP) / 2} y=${TICKS / 2 - 2} text-anchor="middle" dominant-baseline="central">${INPUT_LABELS[input]}</text>`,
  );
  const ticks = policies.map((_, at) => {
    if (at % TICK_STEP !== 0) return nothing;
    const middle = at * SIZE + (SIZE - GAP) / 2;
    return isWide
      ? svg`<text x=${LABEL + middle} y=${across + TICKS / 2 + 2} text-anchor="middle" dominant-baseline="central">${at}</text>`
      : svg`<text x=${TICKS - 5} y=${TICKS + middle} text-anchor="end" dominant-baseline="central">${at}</text>`;
  });
  return html`
    <svg
      class=${shape}
      width=${width * 1.1}
      viewBox="0 0 ${width} ${height}"
      role="img"
      aria-label=${`Policy by layer and input. ${summary}`}
    >
      ${patterns(`${id}-${shape}`)}${names}${ticks}${cells}${frame}
    </svg>
  `;
}

/** Ids are of the whole page, so each picture has its own. */
function patterns(id: string): SVGTemplateResult {
  return svg`
    <defs>
      <pattern id=${`${id}-stripes`} width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
        <rect width="3" height="6" class="mark" />
      </pattern>
      <pattern id=${`${id}-dots`} width="6" height="6" patternUnits="userSpaceOnUse">
        <circle cx="3" cy="3" r="1.3" class="mark" />
      </pattern>
    </defs>
  `;
}

function cell(kind: PolicyKind, x: number, y: number, height: number, id: string, width = height): SVGTemplateResult {
  const pattern = { static: undefined, equalized: "stripes", dynamic: "dots", fp8: "stripes", none: undefined }[kind];
  const rect = (className: string, fill?: string) =>
    svg`<rect x=${x} y=${y} width=${width} height=${height} rx="2" class=${className} fill=${fill ?? nothing} />`;
  return svg`${rect(kind)}${pattern ? rect("pattern", `url(#${id}-${pattern})`) : nothing}`;
}

function describe(layer: number, input: Input, { name, measured: { range } }: InputPolicy): string {
  return `layer ${layer}, ${INPUT_LABELS[input]}: ${name}${range === undefined ? "" : `, range ${number(range, 2)}`}`;
}
