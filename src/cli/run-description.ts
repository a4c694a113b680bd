/** What running a model would take, for `inspect`: known without reading a weight. */
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import { CapabilityError, CheckpointError, UnsupportedModelError } from "../errors.ts";
import { nodeHost } from "../host/node.ts";
import { packedForm } from "../model/layers/linear-spec.ts";
import type { LoadOptions } from "../model/load-options.ts";
import { memoryNeeded } from "../model/plan-model.ts";
import { formatBytes } from "./quantities.ts";

export type RunDescription =
  | {
      readonly runs: true;
      /** Forms in which kernels multiply the weights of blocks (docs/kernels.md); "f32w" for floats. */
      readonly forms: readonly string[];
      readonly head: string | null;
      readonly kv_cache: { readonly k: string; readonly v: string };
      readonly context_size: number;
      /** WebAssembly memories among which the layers are divided. */
      readonly memories: number;
      /** Bytes of linear memory. */
      readonly memory: { readonly weights: number; readonly kv_cache: number; readonly scratch: number };
    }
  | { readonly runs: false; readonly reason: string };

/** @throws OptionError for a context the model does not have */
export async function describeRun(
  checkpoint: Checkpoint,
  options: Pick<LoadOptions, "contextSize" | "memoryLimit">,
): Promise<RunDescription> {
  try {
    const { bytes, memories, plan } = await memoryNeeded(checkpoint, nodeHost, options);
    const products = plan.blocks.flatMap(({ linears }) => Object.values(linears).flatMap((linear) => linear.products));
    const head = plan.head.head?.products[0];
    return {
      runs: true,
      forms: [...new Set(products.map(packedForm))],
      head: head ? packedForm(head) : null,
      kv_cache: plan.options.kv,
      context_size: plan.options.contextSize,
      memories,
      memory: { weights: bytes.weights, kv_cache: bytes.kvCache, scratch: bytes.scratch },
    };
  } catch (error) {
    const isReason =
      error instanceof CapabilityError || error instanceof UnsupportedModelError || error instanceof CheckpointError;
    if (!isReason) throw error;
    return { runs: false, reason: error.message };
  }
}

/** Labels and values of the screen. */
export function runFields(run: RunDescription): [string, string][] {
  if (!run.runs) return [["runs", `no: ${run.reason}`]];
  const { forms, head, kv_cache: kv, context_size: tokens, memories, memory } = run;
  const cache = kv.k === kv.v ? kv.k : `${kv.k} and ${kv.v}`;
  const total = memory.weights + memory.kv_cache + memory.scratch;
  const parts = `weights ${formatBytes(memory.weights)}, cache ${formatBytes(memory.kv_cache)}, scratch ${formatBytes(memory.scratch)}`;
  return [
    ["runs", `yes: weights as ${forms.join(", ")}${head === null ? "" : `, head as ${head}`}, cache as ${cache}`],
    ["memory", `${formatBytes(total)} for ${tokens} tokens${memories > 1 ? `, in ${memories} memories` : ""}: ${parts}`],
  ];
}
