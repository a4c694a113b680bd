/**
 * Steps that a model computes besides those of its architecture, because its weights were transformed so as
 * to be used with them (FPTQuant; docs/quantization.md). Together with the weights they change nothing.
 */
import { CheckpointError } from "../errors.ts";
import { describeModel } from "./description.ts";
import type { ModelConfig } from "./model-config.ts";

export interface OnlineTransforms {
  /**
   * The residual stream is turned by Hadamard blocks of this many elements behind the embedding, and back
   * before the final norm (T_r of a model whose head is its embedding).
   */
  readonly residualHadamard?: number | undefined;
  /** So is the input of the MLP's last linear layer (T_d). */
  readonly downHadamard?: number | undefined;
  /**
   * Inputs of attention's output projection and of the MLP's last linear layer are in units of the residual
   * stream that their half of the block read, and the outputs are put back (S_n).
   */
  readonly residualScaling?: boolean | undefined;
}

export type OnlineName = keyof OnlineTransforms;

/** Says why a model cannot have an online transform; undefined if it can. */
export function onlineObstacle(name: OnlineName, config: ModelConfig): string | undefined {
  const { norm, parallelResidual, attentionBias, mlpBias, positions, headless } = config;
  switch (name) {
    case "downHadamard":
      return undefined;
    case "residualHadamard":
      if (norm !== "rms") return "got LayerNorms, whose mean a rotation changes; need RMSNorms";
      if (headless) return "got a model that gives states, need one with a head";
      if (hasOutputNorms(config)) return "got norms behind attention and MLP, whose gains nothing can take; need none";
      return positions === "learned" ? "got learned positions, need rotary ones" : undefined;
    case "residualScaling":
      if (norm !== "rms") return "got LayerNorms, need RMSNorms";
      if (parallelResidual) return "got attention and MLP side by side, need one after another";
      if (attentionBias === "qkvo" || mlpBias) return "got biases behind scaled inputs, need none at o and down";
      return undefined;
  }
}

function hasOutputNorms(config: ModelConfig): boolean {
  return describeModel(config).blocks.some(({ inputs }) => inputs.some(({ outputNorm }) => outputNorm !== undefined));
}

/**
 * @param where for messages: the file, and the key in it
 * @throws CheckpointError for one that the model cannot have, or a size that does not fit
 */
export function checkOnlineTransforms(online: OnlineTransforms, config: ModelConfig, where: string): void {
  const { residualHadamard, downHadamard } = online;
  for (const [name, value] of Object.entries(online)) {
    const obstacle = value ? onlineObstacle(name as OnlineName, config) : undefined;
    if (obstacle !== undefined) throw new CheckpointError(`${where}: ${name}: ${obstacle}`);
  }
  for (const [name, size, width] of [
    ["residualHadamard", residualHadamard, config.hiddenSize],
    ["downHadamard", downHadamard, config.ffnSize],
  ] as const) {
    if (size === undefined || (size > 0 && (size & (size - 1)) === 0 && width % size === 0)) continue;
    throw new CheckpointError(`${where}: ${name}: got ${size}, need a power of two that divides ${width}`);
  }
}
