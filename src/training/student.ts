/** A quantized model in memory with room to differentiate it, and the numbers of it that are tuned: norms and weight scales. */
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import type { ModelConfig } from "../architecture/model-config.ts";
import { attentionModule, EMBEDDING, FINAL_NORM, HEAD, layerNorms } from "../architecture/tensor-names.ts";
import { NumericError, UnsupportedModelError } from "../errors.ts";
import type { Pointer } from "../kernels/kernel-exports.ts";
import type { Kernels } from "../kernels/kernels.ts";
import { forwardBlock } from "../model/block.ts";
import { loadHead, planHead, readHeadSpec } from "../model/head.ts";
import { type LayerCache, planLayerCache } from "../model/kv-cache.ts";
import { type LayerSpec, loadLayer, planLayer, readLayerSpec } from "../model/layer-loader.ts";
import { planLinear, readLinearSpec, readScale } from "../model/linear-spec.ts";
import { resolveThreads } from "../model/load-options.ts";
import { beginMemoryPlan, openKernels, withQuantizer } from "../model/model-memory.ts";
import { fillRopeTable, planRopeTable, type RopeTable } from "../model/rope.ts";
import { planRunState, type RunState } from "../model/run-state.ts";
import { planStaging, WeightLoader } from "../model/weight-loader.ts";
import type { EmbeddingTable, LayerWeights } from "../model/weights.ts";
import type { Host } from "../host/host.ts";
import { backwardBlock, type GroupedLayer } from "./block-gradient.ts";
import type { DistillOptions } from "./distill-options.ts";
import { fillTables, type GradientBuffers, planGradients } from "./gradient-buffers.ts";
import { backwardHead, type Head, type LossBuffers, planLoss } from "./head-gradient.ts";

interface Parts {
  readonly config: ModelConfig;
  readonly kernels: Kernels;
  readonly embedding: EmbeddingTable;
  readonly layers: readonly GroupedLayer[];
  readonly caches: readonly LayerCache[];
  readonly student: Head;
  readonly teacher: Head;
  readonly rope: RopeTable;
  readonly state: RunState;
  readonly gradients: GradientBuffers;
  readonly loss: LossBuffers;
  /** f32[L, rows, E], what each layer was given. */
  readonly inputs: readonly Pointer[];
  readonly teacherHidden: Pointer; // f32[rows, E]
}

export class Student {
  private readonly parts: Parts;

  private constructor(parts: Parts) {
    this.parts = parts;
  }

  /**
   * @param checkpoint quantized: 4-bit weights, int8 activations
   * @param teacher the float model it was made of, whose head is needed
   * @param rows tokens of the longest sample
   * @throws UnsupportedModelError for what is not differentiated; CheckpointError, OptionError, CapabilityError, AbortError
   */
  static async load(
    checkpoint: Checkpoint,
    teacher: Checkpoint,
    rows: number,
    host: Host,
    { threads, signal, onWarning }: DistillOptions,
  ): Promise<Student> {
    const { config } = checkpoint;
    const { vocabSize: V, hiddenSize: E, heads: H, headDim: D, ffnSize: F } = config;
    checkDifferentiable(checkpoint.name, config);
    const specs: LayerSpec[] = [];
    const scales: { k: number; v: number }[] = [];
    const kv = checkpoint.quantization?.kvCache ? "q8" : "f32";
    for (let l = 0; l < config.layers; l++) {
      specs.push(await readLayerSpec(checkpoint, l));
      const scale = (name: string) => (kv === "q8" ? readScale(checkpoint, `${attentionModule(l)}.${name}`) : 1);
      scales.push({ k: await scale("k_scale"), v: await scale("v_scale") });
    }
    const headSpec = await readHeadSpec(checkpoint, undefined);
    const headName = config.tiedEmbedding ? EMBEDDING : HEAD;
    const teacherSpec = await readLinearSpec(teacher, [{ name: headName, outFeatures: V, inFeatures: E, bias: false }]);

    const scratch = 8 * (rows + 4);
    const used = resolveThreads({ threads, onWarning }, host);
    const planning = await withQuantizer(host, await beginMemoryPlan(host, config, used, rows, rows, "auto", scratch));
    const { plan, sizes } = planning;
    const layers = specs.map((spec) => grouped(planLayer(plan, sizes, config, spec), spec.layer));
    const { embedding, table, head } = planHead(plan, sizes, headSpec);
    const student = { finalNorm: plan.reserve("weights", 4 * E, FINAL_NORM), head };
    const teacherHead = { finalNorm: plan.reserve("weights", 4 * E, FINAL_NORM), head: planLinear(plan, sizes, teacherSpec) };
    const rope = planRopeTable(plan, config, rows);
    // Layers run one after another, each from position 0, so the first one's memory serves all of their caches.
    const cache = planLayerCache(plan, sizes, config, rows, { k: kv, v: kv }, { k: 1, v: 1 });
    const { precision, capacity, k: keys, v: values } = cache;
    const caches = scales.map(({ k, v }) => ({ precision, capacity, k: keys, v: values, kScale: k, vScale: v }));
    const staging = planStaging(plan, Math.max(E, H * D, F));
    const state = planRunState(plan, config, rows, 0);
    const gradients = planGradients(plan, sizes, config, rows, layers[0]!);
    const loss = planLoss(plan, sizes, config);
    const stream = (what: string) => plan.reserve("scratch", 4 * rows * E, what);
    const inputs = layers.map((_, l) => stream(`input of layer ${l}`));
    const teacherHidden = stream("hidden states of the float model");

    const kernels = openKernels(host, planning);
    try {
      const own = new WeightLoader(kernels, checkpoint, staging, signal, () => {});
      loadHead(own, headSpec, table, head);
      for (const [l, spec] of specs.entries()) loadLayer(own, config, spec, layers[l]!);
      own.vector(FINAL_NORM, student.finalNorm, E);
      await own.run();
      const others = new WeightLoader(kernels, teacher, staging, signal, () => {});
      others.linear(teacherSpec, teacherHead.head);
      others.vector(FINAL_NORM, teacherHead.finalNorm, E);
      await others.run();
      fillRopeTable(kernels, config, rope);
      fillTables(kernels, gradients, rope, rows, D);
      transposeHead(kernels, teacherHead.head.weights, loss.transposedHead, V, E);
      await kernels.threadsStarted();
    } catch (error) {
      await kernels.dispose();
      throw error;
    }
    const common = { config, kernels, embedding, layers, caches, rope, state, gradients, loss, inputs, teacherHidden };
    return new Student({ ...common, student, teacher: teacherHead });
  }

  get kernels(): Kernels {
    return this.parts.kernels;
  }

  get layers(): readonly GroupedLayer[] {
    return this.parts.layers;
  }

  get finalNorm(): Pointer {
    return this.parts.student.finalNorm;
  }

  get gradients(): GradientBuffers {
    return this.parts.gradients;
  }

  /** Runs one sample through embedding and blocks. */
  forward(ids: Int32Array): void {
    const { kernels, config, embedding, layers, caches, rope, state, inputs } = this.parts;
    const { vocabSize: V, hiddenSize: E } = config;
    const M = ids.length;
    kernels.i32(state.ids, M).set(ids);
    const embed = embedding.kind === "f32w" ? "embed_f32w" : "embed_qc8w";
    kernels.run[embed](state.ids, embedding.table, state.hidden, M, V, E);
    for (const [l, layer] of layers.entries()) {
      kernels.f32(inputs[l]!, M * E).set(kernels.f32(state.hidden, M * E));
      forwardBlock(kernels, config, layer, caches[l]!, rope, state, M, 0, config.attentionWindows[l]!);
    }
    if (kernels.run.first_nonfinite_f32(state.hidden, M * E) >= 0) {
      throw new NumericError("distillation: output of the last layer has NaN or infinity; a smaller rate may help");
    }
  }

  /**
   * After `forward` of the same sample: the loss, and its gradients at the last block's output and the final norm.
   * @param teacherHidden f32[M, E]
   * @returns nats
   */
  backwardHead(teacherHidden: Float32Array): number {
    const { kernels, config, teacher, student, state, gradients, loss, teacherHidden: region } = this.parts;
    kernels.f32(region, teacherHidden.length).set(teacherHidden);
    const M = teacherHidden.length / config.hiddenSize;
    return backwardHead(kernels, config, teacher, student, region, state, M, gradients, loss);
  }

  /** From the output of layer `l` to its input; `gradients.norms` and `gradients.scales` are then this layer's. */
  backwardLayer(l: number, M: number): void {
    const { kernels, config, layers, caches, rope, state, gradients, inputs } = this.parts;
    const window = config.attentionWindows[l]!;
    backwardBlock(kernels, config, layers[l]!, caches[l]!, rope, state, inputs[l]!, M, window, gradients);
  }

  async dispose(): Promise<void> {
    await this.parts.kernels.dispose();
  }
}

/** @throws UnsupportedModelError for models whose gradient is not written here */
export function checkDifferentiable(name: string, config: ModelConfig): void {
  const { hiddenSize: E, headDim: D, ffnSize: F } = config;
  const norms = layerNorms(config, 0);
  if (norms.q || norms.k)
    throw new UnsupportedModelError(`${name}: distillation does not differentiate norms of queries and keys`);
  if (D % 8 !== 0) throw new UnsupportedModelError(`${name}: heads of ${D} elements, distillation needs a multiple of 8`);
  if (E % 8 !== 0 || F % 8 !== 0) {
    throw new UnsupportedModelError(`${name}: hidden size ${E} and MLP size ${F}, distillation needs multiples of 8`);
  }
}

/** @throws UnsupportedModelError for a layer without 4-bit weights in groups, or with low-rank terms */
function grouped(layer: LayerWeights, l: number): GroupedLayer {
  const { qkv, o, gateUp, down } = layer;
  for (const linear of [qkv, o, gateUp, down]) {
    if (linear.kind !== "w4a8" || linear.lowRank) {
      const found = linear.lowRank ? "low-rank terms" : linear.kind;
      throw new UnsupportedModelError(`model.layers.${l}: ${found}, distillation needs 4-bit weights and int8 activations`);
    }
  }
  return layer as GroupedLayer;
}

/** f32w panels of [V, E] -> of [E, V]. */
function transposeHead(kernels: Kernels, from: Pointer, to: Pointer, V: number, E: number): void {
  const [source, target] = [kernels.f32(from, Math.ceil(V / 8) * 8 * E), kernels.f32(to, Math.ceil(E / 8) * 8 * V)];
  for (let v = 0; v < V; v++) {
    const row = Math.floor(v / 8) * 8 * E + (v % 8);
    for (let e = 0; e < E; e++) target[(Math.floor(e / 8) * V + v) * 8 + (e % 8)] = source[row + 8 * e]!;
  }
}
