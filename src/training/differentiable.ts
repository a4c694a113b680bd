/** Which models have a gradient here: what `backwardBlock` computes, and what it does not, by name. */
import { describeModel, mapInputs } from "../architecture/description.ts";
import type { ModelConfig } from "../architecture/model-config.ts";
import { UnsupportedModelError } from "../errors.ts";
import type { LoadedBlock } from "../model/block.ts";
import type { DifferentiableBlock } from "../model/gradients.ts";
import { differentiableLinear } from "../model/layers/linear-gradient.ts";

/** @throws UnsupportedModelError naming all of a model's blocks that is not differentiated */
export function checkDifferentiable(name: string, config: ModelConfig): void {
  const { architecture, norm, gatedMlp, activation, parallelResidual, positions, rotaryPairs, qkNorm } = config;
  const { blocks } = describeModel(config);
  const inputs = blocks.flatMap((block) => block.inputs);
  const found = [
    norm !== "rms" && "LayerNorm",
    !gatedMlp && "an MLP without a gate",
    gatedMlp && activation !== "silu" && `a gate of ${activation}`,
    parallelResidual && "attention and MLP side by side",
    positions !== "rope" && `positions by ${positions}`,
    positions === "rope" && rotaryPairs !== "halves" && "pairs of neighbours in RoPE",
    positions === "rope" && blocks.some(({ rope }) => rope !== 0) && "blocks without RoPE, or several",
    config.scoreDivisor !== undefined && "a divisor of scores of its own",
    (config.scoreCap !== 0 || config.logitCap !== 0) && "caps of scores or logits",
    [config.embeddingScale, config.residualScale, config.logitScale].some((scale) => scale !== 1) &&
      "numbers that multiply embedding, branches or logits",
    qkNorm === "each" && "norms of heads by weights of each",
    inputs.some(({ from }) => from === "stream") && "blocks without norms before",
    inputs.some(({ outputNorm }) => outputNorm) && "norms behind attention and MLP",
    gatedMlp && inputs.some((input) => input.name === "up" && input.modules.length !== 2) && "gate and up in one matrix",
    ...Object.entries(config.online ?? {}).map(([step, on]) => on !== undefined && on !== false && `${step}, computed online`),
  ].filter((part) => part !== false);
  if (found.length > 0) {
    throw new UnsupportedModelError(
      `${name}: got ${architecture} with ${found.join(", ")}, need RMSNorm, SwiGLU and RoPE, one after the other, to differentiate it`,
    );
  }
  const sizes = { "head size": config.headDim, "hidden size": config.hiddenSize, "MLP size": config.ffnSize };
  for (const [what, size] of Object.entries(sizes)) {
    if (size % 8 !== 0)
      throw new UnsupportedModelError(`${name}: ${what}: got ${size}, need a multiple of 8 to differentiate it`);
  }
}

/** @throws UnsupportedModelError for a model without a head, also where its blocks have a gradient */
export function checkDistillable(name: string, config: ModelConfig): void {
  if (config.headless) throw new UnsupportedModelError(`${name}: got a model without a head, need one with logits to distil`);
  checkDifferentiable(name, config);
}

/** @throws UnsupportedModelError naming the input whose linear layers have no gradient here */
export function differentiable(loaded: LoadedBlock): DifferentiableBlock {
  const inputs = mapInputs(loaded.block, ({ name, path }) => {
    const input = loaded.inputs[name]!;
    const linear = differentiableLinear(input.linear);
    if (typeof linear !== "string") return { ...input, linear };
    throw new UnsupportedModelError(
      `${path}: got ${linear}, need 4-bit or 8-bit weights with int8 activations, or floats, to differentiate it`,
    );
  });
  return { ...loaded, inputs };
}
