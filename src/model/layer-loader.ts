/** Specification, memory and loading of one transformer block, used by the whole model and by layer-streamed calibration. */
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import type { ModelConfig } from "../checkpoint/model-config.ts";
import type { KernelExports } from "../kernels/kernel-exports.ts";
import type { MemoryPlan } from "../kernels/memory-plan.ts";
import { type LinearSpec, planLinear, readLinearSpec } from "./linear-spec.ts";
import type { WeightLoader } from "./weight-loader.ts";
import type { LayerWeights } from "./weights.ts";

export interface LayerSpec {
  readonly prefix: string;
  readonly qkv: LinearSpec;
  readonly o: LinearSpec;
  readonly gateUp: LinearSpec;
  readonly down: LinearSpec;
}

/** @throws CheckpointError for missing tensors or wrong shapes; UnsupportedModelError for forms the kernels do not run */
export async function readLayerSpec(checkpoint: Checkpoint, layer: number): Promise<LayerSpec> {
  const { hiddenSize: E, heads: H, kvHeads: Hkv, headDim: D, ffnSize: F } = checkpoint.config;
  const prefix = `model.layers.${layer}`;
  const attention = (name: string, N: number) => ({ name: `${prefix}.self_attn.${name}`, N });
  const mlp = (name: string, N: number) => ({ name: `${prefix}.mlp.${name}`, N });
  return {
    prefix,
    qkv: await readLinearSpec(
      checkpoint,
      [attention("q_proj", H * D), attention("k_proj", Hkv * D), attention("v_proj", Hkv * D)],
      E,
    ),
    o: await readLinearSpec(checkpoint, [attention("o_proj", E)], H * D),
    gateUp: await readLinearSpec(checkpoint, [mlp("gate_proj", F), mlp("up_proj", F)], E),
    down: await readLinearSpec(checkpoint, [mlp("down_proj", E)], F),
  };
}

export function planLayer(plan: MemoryPlan, sizes: KernelExports, config: ModelConfig, spec: LayerSpec): LayerWeights {
  const { hiddenSize: E, headDim: D, qkNorm } = config;
  const vector = (what: string, length: number) => plan.reserve("weights", 4 * length, `${spec.prefix}.${what}`);
  return {
    attentionNorm: vector("input_layernorm", E),
    qkv: planLinear(plan, sizes, spec.qkv),
    qNorm: qkNorm ? vector("self_attn.q_norm", D) : 0,
    kNorm: qkNorm ? vector("self_attn.k_norm", D) : 0,
    o: planLinear(plan, sizes, spec.o),
    ffnNorm: vector("post_attention_layernorm", E),
    gateUp: planLinear(plan, sizes, spec.gateUp),
    down: planLinear(plan, sizes, spec.down),
  };
}

export async function loadLayer(loader: WeightLoader, config: ModelConfig, spec: LayerSpec, layer: LayerWeights): Promise<void> {
  const { hiddenSize: E, headDim: D } = config;
  await loader.vector(`${spec.prefix}.input_layernorm.weight`, layer.attentionNorm, E);
  await loader.linear(spec.qkv, layer.qkv);
  if (layer.qNorm) await loader.vector(`${spec.prefix}.self_attn.q_norm.weight`, layer.qNorm, D);
  if (layer.kNorm) await loader.vector(`${spec.prefix}.self_attn.k_norm.weight`, layer.kNorm, D);
  await loader.linear(spec.o, layer.o);
  await loader.vector(`${spec.prefix}.post_attention_layernorm.weight`, layer.ffnNorm, E);
  await loader.linear(spec.gateUp, layer.gateUp);
  await loader.linear(spec.down, layer.down);
}
