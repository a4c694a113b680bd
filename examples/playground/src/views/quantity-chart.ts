/**
 * One quantity of every layer input over the layers: a line for each input. Lines differ in dashes and marks,
 * not in colour alone.
 */
import { html, nothing, svg, type TemplateResult } from "lit-html";
import { QUANTITIES, type QuantityName, shownQuantity } from "../measured.ts";
import { type Input, INPUTS, type LayerPolicies } from "../policies.ts";
import { INPUT_LABELS, type Selection } from "./policy-picture.ts";

/** Units of the drawing, which is scaled to its place. */
const WIDTH = 700;
const HEIGHT = 260;
const LEFT = 56;
const RIGHT = 8;
const TOP = 10;
const BOTTOM = 28;
const TICK_STEP = 5;
/** Ticks of a linear axis, about. */
const LINEAR_TICKS = 5;

type Scale = (value: number) => number;

export function quantityChart(policies: LayerPolicies, name: QuantityName, { layer, select }: Selection): TemplateResult {
  const { label, meaning, isLog } = QUANTITIES[name];
  const values = policies.flatMap((inputs) => INPUTS.map((input) => inputs[input].measured[name]));
  // A logarithm has no place for what is not positive.
  const shown = values.filter((value) => value !== undefined && (!isLog || value > 0)) as number[];
  const ticks = isLog ? decades(Math.min(...shown), Math.max(...shown)) : steps(Math.min(...shown), Math.max(...shown));
  const place = isLog ? Math.log10 : (value: number) => value;
  const [low, high] = [place(ticks[0]!), place(ticks.at(-1)!)];
  const y: Scale = (value) => TOP + (HEIGHT - TOP - BOTTOM) * (1 - (place(value) - low) / (high - low || 1));
  const x: Scale = (at) => LEFT + ((WIDTH - LEFT - RIGHT) * (at + 0.5)) / policies.length;
  const column = (WIDTH - LEFT - RIGHT) / policies.length;
  return html`
    <figure class="quantities">
      <svg
        viewBox="0 0 ${WIDTH} ${HEIGHT}"
        role="img"
        aria-label=${`${label} by layer, ${isLog ? "logarithmic, " : ""}from ${shownQuantity(Math.min(...shown))} to ${shownQuantity(Math.max(...shown))}`}
      >
        ${ticks.map((tick) => svg`<line class="grid" x1=${LEFT} x2=${WIDTH - RIGHT} y1=${y(tick)} y2=${y(tick)} /><text x=${LEFT - 6} y=${y(tick)} text-anchor="end" dominant-baseline="central">${shownQuantity(tick)}</text>`)}
        ${policies.map((_, at) => (at % TICK_STEP === 0 ? svg`<text x=${x(at)} y=${HEIGHT - 10} text-anchor="middle">${at}</text>` : nothing))}
        <line class="cursor" x1=${x(layer)} x2=${x(layer)} y1=${TOP} y2=${HEIGHT - BOTTOM} />
        ${INPUTS.map((input) => line(policies, name, input, isLog, x, y))}
        ${policies.map((_, at) => svg`<rect class="catch" x=${x(at) - column / 2} y=${TOP} width=${column} height=${HEIGHT - TOP - BOTTOM} @pointerenter=${() => select(at)} />`)}
      </svg>
      <figcaption>
        <p>${meaning}${isLog ? " (logarithmic)" : ""}, by layer.</p>
        <ul class="legend">
          ${INPUTS.map(
            (input) => html`
              <li>
                <svg viewBox="0 0 32 12" width="32" height="12" aria-hidden="true">
                  <path class=${`line ${input}`} d="M1 6H31" />
                  ${mark(input, 16, 6)}
                </svg>
                ${INPUT_LABELS[input]}
              </li>
            `,
          )}
        </ul>
      </figcaption>
    </figure>
  `;
}

function line(policies: LayerPolicies, name: QuantityName, input: Input, isLog: boolean, x: Scale, y: Scale) {
  let path = "";
  const marks = policies.map((inputs, at) => {
    const value = inputs[input].measured[name];
    if (value === undefined || (isLog && value <= 0)) return nothing;
    const before = at > 0 ? policies[at - 1]![input].measured[name] : undefined;
    path += `${before === undefined || (isLog && before <= 0) ? "M" : "L"}${x(at).toFixed(1)} ${y(value).toFixed(1)}`;
    return mark(input, x(at), y(value));
  });
  return svg`<path class=${`line ${input}`} d=${path} />${marks}`;
}

/** A circle, a square, a triangle and a diamond. */
function mark(input: Input, x: number, y: number) {
  const shape = {
    qkv: `M${x - 3} ${y}a3 3 0 1 0 6 0a3 3 0 1 0 -6 0`,
    o: `M${x - 3} ${y - 3}h6v6h-6z`,
    up: `M${x} ${y - 3.5}l3.5 6.5h-7z`,
    down: `M${x} ${y - 4}l4 4l-4 4l-4 -4z`,
  }[input];
  return svg`<path class=${`mark-of ${input}`} d=${shape} />`;
}

/** Powers of ten around the values. */
function decades(least: number, most: number): number[] {
  const first = Math.floor(Math.log10(least));
  const last = Math.max(Math.ceil(Math.log10(most)), first + 1);
  return Array.from({ length: last - first + 1 }, (_, i) => 10 ** (first + i));
}

/** Multiples of 1, 2 or 5 around the values. */
function steps(least: number, most: number): number[] {
  const rough = Math.max(most - least, Number.EPSILON) / LINEAR_TICKS;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * (rough / power > 5 ? 10 : rough / power > 2 ? 5 : rough / power > 1 ? 2 : 1);
  const first = Math.floor(least / step);
  return Array.from({ length: Math.max(Math.ceil(most / step) - first, 1) + 1 }, (_, i) => (first + i) * step);
}
