/**
 * Recipes that look at whole activations: the float model runs one layer at a time, and while a layer's Hessians are in memory its inputs
 * are decided on and its weights rounded. What is kept of a layer is its codes and scales.
 */
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import { packInt32 } from "../checkpoint/quantization/pack-quantized.ts";
import { type LinearInput, LINEAR_INPUTS, linearModules } from "../architecture/tensor-names.ts";
import type { Site } from "../model/block.ts";
import type { LayerStream } from "../model/layer-stream.ts";
import type { Host } from "../host/host.ts";
import type { LayerStats } from "./calibrate/activation-stats.ts";
import type { InputAnalysis } from "./decide/analyse.ts";
import { ChannelObservers, placeChannels } from "./calibrate/channel-observers.ts";
import { chooseGroupSizes } from "./recipe/group-size.ts";
import { HessianObservers, placeHessians } from "./calibrate/hessian.ts";
import { type CalibrateOptions, countTokens, type LayerVisitor, walkLayers } from "./calibrate/layer-walk.ts";
import { linearInputName } from "./decide/linear-inputs.ts";
import type { InputPlan } from "./decide/quantization-plan.ts";
import type { ModuleErrors, RoundedModule } from "./write/quantize-tensors.ts";
import { dequantizeRows, storedScales } from "./round/quantize-weights.ts";
import type { Recipe } from "./recipe/recipe.ts";
import { InputRounder, type OutputErrors, type RoundedInput } from "./round/round-input.ts";
import { gptqScratchBytes, placeGptq, RegionCursor } from "./round/rounding-memory.ts";
import type { StageClock } from "./stage-clock.ts";
import { NULL, type Pointer } from "../kernels/pointer.ts";

/** Sequences of which every row is kept until its layer is done, to measure what rounding activations costs. */
const KEPT_SAMPLES = 4;

export interface RoundedLayers {
  readonly stats: LayerStats[];
  /** In the order data flows, as are `inputs`. */
  readonly analysis: InputAnalysis[];
  readonly inputs: InputPlan[];
  /** By module name, as are `errors`. */
  readonly rounded: Map<string, RoundedModule>;
  readonly errors: Map<string, ModuleErrors>;
  /** By input name. */
  readonly outputs: Map<string, OutputErrors>;
}

/** @throws as `walkLayers`; RecipeError naming the input whose Hessian cannot be used */
export async function quantizeLayers(
  checkpoint: Checkpoint,
  samples: readonly Int32Array[],
  recipe: Recipe,
  host: Host,
  options: CalibrateOptions,
  clock: StageClock,
): Promise<RoundedLayers> {
  const tokens = countTokens(samples);
  const result: RoundedLayers = {
    stats: [],
    analysis: [],
    inputs: [],
    rounded: new Map(),
    errors: new Map(),
    outputs: new Map(),
  };
  const visitorOf = (stream: LayerStream) => new RoundingVisitor(checkpoint, stream, recipe, tokens, options, clock, result);
  const { config } = checkpoint;
  const maxK = Math.max(...Object.values(inFeatures(checkpoint)));
  const size = new RegionCursor(NULL);
  placeChannels(size, config);
  placeHessians(size, inFeatures(checkpoint));
  placeGptq(size, maxK);
  const largestGroup = Math.max(...Object.values(chooseGroupSizes(config, recipe.groupSize)));
  const memory = { workspaceBytes: size.end, threadScratchBytes: gptqScratchBytes(largestGroup) };
  await walkLayers(checkpoint, samples, host, options, memory, visitorOf);
  return result;
}

function inFeatures({ config }: Checkpoint): Record<LinearInput, number> {
  return Object.fromEntries(LINEAR_INPUTS.map((input) => [input, linearModules(config, 0, input)[0]!.inFeatures])) as Record<
    LinearInput,
    number
  >;
}

class RoundingVisitor implements LayerVisitor {
  readonly replaces: boolean;
  readonly #checkpoint: Checkpoint;
  readonly #stream: LayerStream;
  readonly #recipe: Recipe;
  readonly #tokens: number;
  readonly #options: CalibrateOptions;
  readonly #clock: StageClock;
  readonly #result: RoundedLayers;
  readonly #channels: ChannelObservers;
  readonly #hessians: HessianObservers;
  readonly #rounder: InputRounder;
  readonly #groupSizes: Record<LinearInput, number>;
  #kept = new Map<LinearInput, Float32Array[]>();

  constructor(
    checkpoint: Checkpoint,
    stream: LayerStream,
    recipe: Recipe,
    tokens: number,
    options: CalibrateOptions,
    clock: StageClock,
    result: RoundedLayers,
  ) {
    const { kernels, workspace, config } = stream;
    const K = inFeatures(checkpoint);
    const cursor = new RegionCursor(workspace);
    this.#channels = new ChannelObservers(kernels, placeChannels(cursor, config));
    this.#hessians = new HessianObservers(kernels, placeHessians(cursor, K));
    this.#rounder = new InputRounder(kernels, placeGptq(cursor, Math.max(...Object.values(K))), recipe);
    this.#groupSizes = chooseGroupSizes(config, recipe.groupSize);
    this.#checkpoint = checkpoint;
    this.#stream = stream;
    this.#recipe = recipe;
    this.#tokens = tokens;
    this.#options = options;
    this.#clock = clock;
    this.#result = result;
    this.replaces = recipe.round.kind === "gptq" && recipe.round.propagate === "quantized";
  }

  begin(): void {
    this.#channels.reset();
    this.#hessians.reset();
    this.#kept = new Map(LINEAR_INPUTS.map((input) => [input, []]));
  }

  observe(sample: number, site: Site, x: Pointer, M: number, K: number, stride: number): void {
    this.#channels.observe(site, x, M, K, stride);
    if (site === "k" || site === "v") return;
    this.#hessians.observe(site, x, M);
    if (this.#recipe.policy.kind === "auto" && sample < KEPT_SAMPLES) {
      this.#kept.get(site)!.push(this.#stream.kernels.f32(x, M * K).slice());
    }
  }

  async settle(layer: number, input: LinearInput): Promise<void> {
    const modules = linearModules(this.#checkpoint.config, layer, input);
    const { signal } = this.#options;
    const weights = await Promise.all(modules.map(({ name }) => this.#checkpoint.readF32(`${name}.weight`, { signal })));
    const rounded = await this.#clock.time("round", () =>
      this.#rounder.round({
        layer,
        input,
        stats: this.#channels.readSite(input, this.#tokens),
        hessian: this.#hessians.read(input, linearInputName(layer, input), this.#tokens),
        kept: this.#kept.get(input)!,
        names: modules.map(({ name }) => name),
        weights,
        groupSize: this.#groupSizes[input],
      }),
    );
    this.#keep(rounded);
    if (this.replaces) this.#replace(input, rounded);
  }

  end(): void {
    this.#result.stats.push(this.#channels.read(this.#tokens));
  }

  #keep({ analysis, plan, modules, output }: RoundedInput): void {
    const result = this.#result;
    result.analysis.push(analysis);
    result.inputs.push(plan);
    result.outputs.set(plan.name, output);
    for (const { name, rows, errors } of modules) {
      result.rounded.set(name, { packed: packInt32(rows.q, rows.type), scale: storedScales(rows, this.#recipe.scales) });
      result.errors.set(name, errors);
    }
  }

  /** What comes after is computed with what rounding left of the weights; norms stay, so equalization is taken back. */
  #replace(input: LinearInput, { modules, plan: { factors } }: RoundedInput): void {
    let row = 0;
    for (const { rows } of modules) {
      const weight = dequantizeRows(rows);
      if (factors) for (let i = 0; i < weight.length; i++) weight[i]! /= factors[i % rows.K]!;
      this.#stream.replaceRows(input, row, weight);
      row += rows.rows;
    }
  }
}
