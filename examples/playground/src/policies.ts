/**
 * The policy of each layer input, read from a checkpoint: what the quantizer wrote into its report, else what
 * it noted in `config.json`, else what the weights' scheme says.
 */
import type { Checkpoint } from "fptq";
import { type Measured, measuredIn } from "./measured.ts";

export const INPUTS = ["qkv", "o", "up", "down"] as const;
export type Input = (typeof INPUTS)[number];

export const KINDS = ["static", "equalized", "dynamic", "fp8", "none"] as const;
/**
 * One calibrated scale; the same after equalizing the channels; a scale per token; 8-bit floats; not
 * quantized.
 */
export type PolicyKind = (typeof KINDS)[number];

export interface InputPolicy {
  readonly kind: PolicyKind;
  /** As the recipe calls it: "static", "lae+static", "smoothquant+dynamic". */
  readonly name: string;
  /** What was measured of it, as far as anybody noted it. */
  readonly measured: Measured;
}

/** By layer. */
export type LayerPolicies = readonly Readonly<Record<Input, InputPolicy>>[];

/** The module whose scheme is the one of an input; those that share an input share its scheme. */
const MODULES: Readonly<Record<Input, string>> = {
  qkv: "self_attn.q_proj",
  o: "self_attn.o_proj",
  up: "mlp.gate_proj",
  down: "mlp.down_proj",
};

/**
 * @param report that of the quantizer, where there is one; it comes from whoever made the model
 * @returns undefined for a model that is not quantized
 */
export function policiesOf(
  { config, configJson, quantization }: Checkpoint,
  report: { readonly layers?: unknown } | undefined,
): LayerPolicies | undefined {
  if (!quantization) return undefined;
  const noted = notedPolicies(report?.layers ?? (configJson["fptq"] as { layers?: unknown } | undefined)?.layers);
  return Array.from({ length: config.layers }, (_, layer) => {
    const of = (input: Input): InputPolicy => {
      const name = quantization.linear(`model.layers.${layer}.${MODULES[input]}`)?.activations.kind ?? "none";
      return noted.get(`model.layers.${layer}.${input}`) ?? { kind: kindOf(name), name, measured: {} };
    };
    return { qkv: of("qkv"), o: of("o"), up: of("up"), down: of("down") };
  });
}

/** From a list of `{ name, policy, range, ... }`, as in a report; entries of another shape say nothing. */
export function notedPolicies(layers: unknown): ReadonlyMap<string, InputPolicy> {
  const found = new Map<string, InputPolicy>();
  for (const entry of Array.isArray(layers) ? (layers as unknown[]) : []) {
    const fields = (entry ?? {}) as Record<string, unknown>;
    const { name, policy } = fields;
    if (typeof name !== "string" || typeof policy !== "string") continue;
    found.set(name, { kind: kindOf(policy), name: policy, measured: measuredIn(fields) });
  }
  return found;
}

function kindOf(policy: string): PolicyKind {
  if (policy.endsWith("dynamic")) return "dynamic";
  if (policy.endsWith("static")) return policy === "static" ? "static" : "equalized";
  return policy.includes("fp8") ? "fp8" : "none";
}

/** How many inputs have each kind. */
export function countKinds(policies: LayerPolicies): Readonly<Record<PolicyKind, number>> {
  const counts = { static: 0, equalized: 0, dynamic: 0, fp8: 0, none: 0 };
  for (const layer of policies) for (const input of INPUTS) counts[layer[input].kind]++;
  return counts;
}
