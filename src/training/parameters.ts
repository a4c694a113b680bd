/** What is tuned of a model: all its parameters, layer by layer. */
import type { Block, LinearInput } from "../architecture/description.ts";
import { describeModel } from "../architecture/description.ts";
import { lowRankTensors } from "../architecture/tensors.ts";
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import { lowRank } from "../checkpoint/quantization/low-rank.ts";
import { NULL, offsetBy, type Pointer } from "../kernels/pointer.ts";
import { lowRankA, lowRankB, lowRankParts, type ScaledLinear, staticRange, weightScales } from "./linear-places.ts";
import { Parameter, type Place, vector } from "./parameter.ts";
import type { Student } from "./student.ts";
import type { Trainable } from "./trainable.ts";

/** Tensors as they are to be stored, by name. */
export type TunedTensors = ReadonlyMap<string, Float32Array>;

export interface TrainingChoice {
  readonly trained: readonly Trainable[];
  /** A weight scale to one that can be stored. */
  readonly round: (scale: number) => number;
}

export class Parameters {
  readonly #student: Student;
  readonly #layers: readonly (readonly Parameter[])[];
  readonly #final: readonly Parameter[];

  private constructor(student: Student, layers: readonly (readonly Parameter[])[], final: readonly Parameter[]) {
    this.#student = student;
    this.#layers = layers;
    this.#final = final;
  }

  /** @param checkpoint what the student was loaded from */
  static async read(checkpoint: Checkpoint, student: Student, choice: TrainingChoice): Promise<Parameters> {
    const { blocks, finalNorm } = describeModel(checkpoint.config);
    const reader = new ParameterReader(checkpoint, student, choice);
    const layers: (readonly Parameter[])[] = [];
    for (const block of blocks) layers.push(await reader.block(block));
    const final = await reader.norm(finalNorm!.weight, student.finalNorm, student.gradients.norms.final);
    return new Parameters(student, layers, final);
  }

  /** From the gradients that `backwardHead` has left. */
  stepFinalNorm(rate: number): void {
    for (const parameter of this.#final) parameter.step(this.#student.kernels, rate);
  }

  /** From the gradients that `backwardLayer` has left of layer `l`. */
  stepLayer(l: number, rate: number): void {
    for (const parameter of this.#layers[l]!) parameter.step(this.#student.kernels, rate);
  }

  /** Every parameter, in an order that depends on the model and the choice alone. */
  get all(): readonly Parameter[] {
    return [...this.#layers.flat(), ...this.#final];
  }

  /** Copies of all values. */
  values(): Float32Array[] {
    return this.all.map(({ values }) => values.slice());
  }

  /** Puts values back that `values` has given. */
  restore(values: readonly Float32Array[]): void {
    for (const [i, parameter] of this.all.entries()) {
      parameter.values.set(values[i]!);
      parameter.write(this.#student.kernels);
    }
  }

  tuned(): TunedTensors {
    return new Map(this.all.flatMap((parameter) => [...parameter.stored()]));
  }
}

class ParameterReader {
  readonly #checkpoint: Checkpoint;
  readonly #student: Student;
  readonly #round: TrainingChoice["round"];
  readonly #trained: ReadonlySet<Trainable>;

  constructor(checkpoint: Checkpoint, student: Student, { trained, round }: TrainingChoice) {
    this.#checkpoint = checkpoint;
    this.#student = student;
    this.#round = round;
    this.#trained = new Set(trained);
  }

  /** One norm's weight, if norms are tuned. */
  async norm(tensor: string, pointer: Pointer, gradient: Pointer): Promise<Parameter[]> {
    return this.#trained.has("norms") ? [await this.#parameter(tensor, vector(tensor, pointer, gradient))] : [];
  }

  async block(block: Block): Promise<readonly Parameter[]> {
    const { norms, linears } = this.#student.gradients;
    const loaded = this.#student.blocks[block.layer]!;
    const found: Parameter[] = [];
    for (const input of block.inputs) {
      const { norm } = loaded.inputs[input.name]!;
      if (norm) found.push(...(await this.norm(norm.norm.weight, norm.weight, norms[input.name as "qkv" | "up"])));
      if (this.#trained.has("scales")) found.push(...(await this.#scales(input, linears[input.name]!.scales)));
      if (this.#trained.has("biases")) found.push(...(await this.#biases(input, linears[input.name]!.bias)));
      if (this.#trained.has("lorc")) found.push(...(await this.#lowRank(input)));
      if (this.#trained.has("ranges")) found.push(...this.#inputRange(input, linears[input.name]!.range));
    }
    const { queryNorm, keyNorm } = block;
    if (queryNorm) found.push(...(await this.norm(queryNorm.weights[0]!.tensor, loaded.queryNorm, norms.query)));
    if (keyNorm) found.push(...(await this.norm(keyNorm.weights[0]!.tensor, loaded.keyNorm, norms.key)));
    if (this.#trained.has("ranges")) found.push(...this.#cacheRanges(block));
    return found;
  }

  async #parameter(tensor: string, place: Place): Promise<Parameter> {
    return new Parameter(await this.#checkpoint.readF32(tensor), place);
  }

  async #scales({ name, layer, modules }: LinearInput, gradient: Pointer): Promise<Parameter[]> {
    const { linear } = this.#student.blocks[layer]!.inputs[name]!;
    if (linear.form === "f32w") return [];
    const parts: Float32Array[] = [];
    for (const module of modules) parts.push(await this.#checkpoint.readF32(`${module.name}.weight_scale`));
    const values = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
    parts.reduce((end, part) => (values.set(part, end), end + part.length), 0);
    return [new Parameter(values, weightScales(linear as ScaledLinear, modules, gradient, this.#round))];
  }

  async #biases({ name, layer, modules }: LinearInput, gradient: Pointer): Promise<Parameter[]> {
    const { bias } = this.#student.blocks[layer]!.inputs[name]!.linear;
    const found: Parameter[] = [];
    let row = 0;
    for (const module of modules) {
      const [at, from] = [offsetBy(bias, 4 * row), offsetBy(gradient, 4 * row)];
      const tensor = `${module.name}.bias`;
      if (module.bias) found.push(await this.#parameter(tensor, vector(tensor, at, from)));
      row += module.outFeatures;
    }
    return found;
  }

  async #lowRank({ name, layer, modules }: LinearInput): Promise<Parameter[]> {
    const { linear } = this.#student.blocks[layer]!.inputs[name]!;
    const gradients = this.#student.gradients.linears[name]!.lowRank;
    if (!linear.lowRank || !gradients) return [];
    const found: Parameter[] = [];
    for (const part of lowRankParts(
      modules,
      modules.map((module) => lowRank(this.#checkpoint.tensors, module)),
    )) {
      // prettier-ignore
      const { a, b } = lowRankTensors(part.module.name);
      found.push(await this.#parameter(a, lowRankA(part, linear.lowRank, gradients)));
      found.push(await this.#parameter(b, lowRankB(part, linear.lowRank, gradients)));
    }
    return found;
  }

  /** The scale of a static input, which all of its modules have. */
  #inputRange({ name, layer, modules }: LinearInput, sums: Pointer): Parameter[] {
    const { linear } = this.#student.blocks[layer]!.inputs[name]!;
    const { activation } = linear;
    if (activation?.kind !== "static") return [];
    const tensors = modules.map((module) => `${module.name}.input_scale`);
    return [this.#range(tensors, activation.scale, sums, (scale) => (activation.scale = scale))];
  }

  #cacheRanges({ layer, attention }: Block): Parameter[] {
    const { cache } = this.#student.gradients;
    const scales = this.#student.cacheScales[layer]!;
    return (["k", "v"] as const).flatMap((half) =>
      this.#student.hasStaticCache && cache[half] !== NULL
        ? [this.#range([`${attention}.${half}_scale`], scales[half], cache[half], (scale) => (scales[half] = scale))]
        : [],
    );
  }

  #range(tensors: readonly string[], scale: number, sums: Pointer, set: (scale: number) => void): Parameter {
    return new Parameter(
      Float32Array.of(scale),
      staticRange(tensors, sums, () => this.#student.rows, set),
    );
  }
}
