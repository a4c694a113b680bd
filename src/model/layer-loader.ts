/** Specification, memory and loading of one transformer block, used by the whole model and by layer-streamed calibration. */
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import type { ModelConfig } from "../architecture/model-config.ts";
import { type LinearInput, layerNorms, linearModules } from "../architecture/tensor-names.ts";
import type { KernelExports } from "../kernels/kernel-exports.ts";
import type { MemoryPlan } from "../kernels/memory-plan.ts";
import { NULL } from "../kernels/pointer.ts";
import { type LinearSpec, planLinear, readLinearSpec, totalRank } from "./linear-spec.ts";
import type { WeightLoader } from "./weight-loader.ts";
import type { LayerWeights } from "./weights.ts";

export interface LayerSpec {
  readonly layer: number;
  readonly qkv: LinearSpec;
  readonly o: LinearSpec;
  readonly gateUp: LinearSpec;
  readonly down: LinearSpec;
}

/** @throws CheckpointError for missing tensors or wrong shapes; UnsupportedModelError for forms the kernels do not run */
export async function readLayerSpec(checkpoint: Checkpoint, layer: number): Promise<LayerSpec> {
  const spec = (input: LinearInput) => readLinearSpec(checkpoint, linearModules(checkpoint.config, layer, input));
  return { layer, qkv: await spec("qkv"), o: await spec("o"), gateUp: await spec("gate_up"), down: await spec("down") };
}

/** The largest rank of a layer's low-rank terms. */
export function largestRank({ qkv, o, gateUp, down }: LayerSpec): number {
  return Math.max(...[qkv, o, gateUp, down].map(totalRank));
}

export function planLayer(plan: MemoryPlan, sizes: KernelExports, config: ModelConfig, spec: LayerSpec): LayerWeights {
  const { hiddenSize: E, headDim: D } = config;
  const norms = layerNorms(config, spec.layer);
  const vector = (tensor: string | undefined, length: number) => (tensor ? plan.reserve("weights", 4 * length, tensor) : NULL);
  return {
    attentionNorm: vector(norms.attention, E),
    qkv: planLinear(plan, sizes, spec.qkv),
    qNorm: vector(norms.q, D),
    kNorm: vector(norms.k, D),
    o: planLinear(plan, sizes, spec.o),
    ffnNorm: vector(norms.mlp, E),
    gateUp: planLinear(plan, sizes, spec.gateUp),
    down: planLinear(plan, sizes, spec.down),
  };
}

/** Asks the loader for all weights of a layer. */
export function loadLayer(loader: WeightLoader, config: ModelConfig, spec: LayerSpec, layer: LayerWeights): void {
  const { hiddenSize: E, headDim: D } = config;
  const norms = layerNorms(config, spec.layer);
  loader.vector(norms.attention, layer.attentionNorm, E);
  loader.linear(spec.qkv, layer.qkv);
  if (norms.q) loader.vector(norms.q, layer.qNorm, D);
  if (norms.k) loader.vector(norms.k, layer.kNorm, D);
  loader.linear(spec.o, layer.o);
  loader.vector(norms.mlp, layer.ffnNorm, E);
  loader.linear(spec.gateUp, layer.gateUp);
  loader.linear(spec.down, layer.down);
}
