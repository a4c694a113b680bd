/**
 * T_u, scales within the MLP (FPTQuant; the fold `up` with scales of any size):
 *
 *   W_up[f, :]' = u_f W_up[f, :], b_up' likewise     W_down[:, f]' = W_down[:, f] / u_f
 *
 * since down(activation(gate) * up) is linear in up, and ReLU passes what is above 0.
 *
 *   dL/dlog u_f = g_up[f] . W_up[f]' - g_down[:, f] . W_down[:, f]'
 */
import type { Block } from "../../../architecture/description.ts";
import type { ModelConfig } from "../../../architecture/model-config.ts";
import { inputOf, partsOfRows } from "../block-modules.ts";
import { foldedRows } from "../fold.ts";
import type { ModuleTransform, Transform } from "../transform.ts";
import { boundedScale, boundedScaleArgument, boundedScaleSlope, centered, type Sides, type TunableTransform } from "./tunable.ts";

/** @param scales u, f32[F] */
export function upTransform(config: ModelConfig, block: Block, scales: Float32Array): Transform {
  const columns = scales.map((scale) => 1 / scale);
  const { input, firstRow } = foldedRows(config, block, "up");
  const rows = partsOfRows(input.modules, firstRow, scales.length).map(({ module, row, from, to }) => {
    const factors = new Float32Array(module.outFeatures).fill(1);
    factors.set(scales.subarray(from, to), row);
    return [module.name, { rows: factors }] as const;
  });
  return {
    modules: new Map<string, ModuleTransform>([
      ...rows,
      ...inputOf(block, "down").modules.map(({ name }) => [name, { columns }] as const),
    ]),
    norms: new Map(),
  };
}

export class UpScales implements TunableTransform {
  readonly name: string;
  readonly N: number;
  readonly K: number;
  readonly parameters: Float64Array; // f64[F]
  readonly #config: ModelConfig;
  readonly #block: Block;

  /**
   * @param secondMoment mean square of each channel of down's input, f64[F]; halfway to all alike is where it
   *   starts
   */
  constructor(config: ModelConfig, block: Block, secondMoment: Float64Array) {
    this.name = `${block.name}: transform "up"`;
    this.N = this.K = secondMoment.length;
    this.#config = config;
    this.#block = block;
    const sizes = centered(secondMoment.map(Math.sqrt));
    this.parameters = sizes.map((size) => boundedScaleArgument(1 / Math.sqrt(size)));
  }

  merge({ rows, columns }: Sides): Sides {
    const scales = this.parameters.map(boundedScale);
    const [n, F] = [rows.length / this.N, this.K];
    return {
      rows: rows.map((value, at) => value * scales[Math.floor(at / n)]!),
      columns: columns.map((value, at) => value / scales[at % F]!),
    };
  }

  gradient(_: Sides, merged: Sides, gradients: Sides): Float64Array {
    const [n, F] = [merged.rows.length / this.N, this.K];
    const result = new Float64Array(F);
    for (const [at, value] of merged.rows.entries()) result[Math.floor(at / n)]! += value * gradients.rows[at]!;
    for (const [at, value] of merged.columns.entries()) result[at % F]! -= value * gradients.columns[at]!;
    return result.map((value, f) => value * boundedScaleSlope(this.parameters[f]!));
  }

  transform(): Transform {
    return upTransform(this.#config, this.#block, Float32Array.from(this.parameters, boundedScale));
  }
}
