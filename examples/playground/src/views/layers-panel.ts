/**
 * The layers of a quantized model: the picture of their policies, one layer in numbers, one quantity over all
 * layers, and everything as a table. A layer is chosen by pointing at it or with the slider.
 */
import { html, nothing, type TemplateResult } from "lit-html";
import { live } from "lit-html/directives/live.js";
import { type Measured, QUANTITIES, type QuantityName, quantitiesOf, shownQuantity } from "../measured.ts";
import { INPUTS, type LayerPolicies } from "../policies.ts";
import type { Page } from "./page.ts";
import { INPUT_LABELS, policyPicture, type Selection } from "./policy-picture.ts";
import { quantityChart } from "./quantity-chart.ts";

/** @param id begins the ids of this panel, which are of the whole page */
export function layersPanel({ state, changed }: Page, policies: LayerPolicies, id: string): TemplateResult {
  const selection: Selection = {
    layer: Math.min(state.layer, policies.length - 1),
    select(layer) {
      state.layer = layer;
      changed();
    },
  };
  const quantities = quantitiesOf(policies);
  const quantity = quantities.includes(state.quantity) ? state.quantity : quantities[0];
  const choose = (event: Event) => {
    state.quantity = (event.target as HTMLSelectElement).value as QuantityName;
    changed();
  };
  return html`
    ${policyPicture(policies, id, selection)} ${slider(policies, selection)} ${oneLayer(policies, selection.layer, quantities)}
    ${
      quantity === undefined
        ? html`<p class="notice">The model comes without a report, so nothing was measured that could be shown.</p>`
        : html`
            <label class="quantity">
              <span>Over all layers</span>
              <select name=${`${id}-quantity`} @change=${choose}>
                ${quantities.map((name) => html`<option value=${name} ?selected=${name === quantity}>${QUANTITIES[name].label}</option>`)}
              </select>
            </label>
            ${quantityChart(policies, quantity, selection)}
          `
    }
    <details class="numbers">
      <summary>The policies as a table</summary>
      ${policyTable(policies)}
    </details>
  `;
}

function slider(policies: LayerPolicies, { layer, select }: Selection): TemplateResult {
  const said = INPUTS.map((input) => `${INPUT_LABELS[input]} ${policies[layer]![input].name}`).join("; ");
  return html`
    <label class="layer-slider">
      <span>Layer ${layer} of ${policies.length}, counted from 0</span>
      <input
        type="range"
        name="layer"
        min="0"
        max=${policies.length - 1}
        step="1"
        aria-valuetext=${`Layer ${layer}: ${said}`}
        .value=${live(String(layer))}
        @input=${(event: Event) => select(Number((event.target as HTMLInputElement).value))}
      />
    </label>
  `;
}

function oneLayer(policies: LayerPolicies, layer: number, quantities: readonly QuantityName[]): TemplateResult {
  const inputs = policies[layer]!;
  const has = (measured: Measured, name: QuantityName) => measured[name] !== undefined;
  const rows = quantities.filter((name) => INPUTS.some((input) => has(inputs[input].measured, name)));
  return html`
    <div class="scroll one-layer" tabindex="0" role="region" aria-label=${`Layer ${layer} in numbers`}>
      <table>
        <thead>
          <tr>
            <th scope="col">Layer ${layer}</th>
            ${INPUTS.map((input) => html`<th scope="col">${INPUT_LABELS[input]}</th>`)}
          </tr>
        </thead>
        <tbody>
          <tr>
            <th scope="row">Policy</th>
            ${INPUTS.map((input) => html`<td>${inputs[input].name}</td>`)}
          </tr>
          ${rows.map(
            (name) => html`
              <tr>
                <th scope="row" title=${QUANTITIES[name].meaning}>${QUANTITIES[name].label}</th>
                ${INPUTS.map((input) => html`<td>${shownQuantity(inputs[input].measured[name])}</td>`)}
              </tr>
            `,
          )}
        </tbody>
      </table>
    </div>
  `;
}

function policyTable(policies: LayerPolicies): TemplateResult {
  return html`
    <div class="scroll" tabindex="0" role="region" aria-label="Policy by layer and input">
      <table>
        <thead>
          <tr>
            <th scope="col">Layer</th>
            ${INPUTS.map((input) => html`<th scope="col">${INPUT_LABELS[input]}</th>`)}
          </tr>
        </thead>
        <tbody>
          ${policies.map(
            (layer, at) => html`
              <tr>
                <th scope="row">${at}</th>
                ${INPUTS.map((input) => {
                  const { name, measured } = layer[input];
                  return html`<td>
                    ${name}${measured.range === undefined ? nothing : html` <small>${shownQuantity(measured.range)}</small>`}
                  </td>`;
                })}
              </tr>
            `,
          )}
        </tbody>
      </table>
    </div>
  `;
}
