/** Which tensors of a folder are weights that another program stored as integers. */
import { blockModules, type Description, type LinearModule } from "../../architecture/description.ts";
import type { TensorInfo } from "../checkpoint.ts";
import { floatDecoder } from "../formats/float-formats.ts";
import { findIntegerModule, type IntegerModule } from "../quantization/integer-module.ts";
import type { IntegerModules, ReadTensor } from "../quantization/integer-modules.ts";
import type { IntegerScheme } from "../quantization/integer-scheme.ts";
import type { QuantizationScheme } from "../quantization/quantization-config.ts";

type Tensors = ReadonlyMap<string, TensorInfo>;

export class IntegerTensors {
  readonly #modules: ReadonlyMap<string, LinearModule>;
  readonly #where: string;
  readonly #quantization: QuantizationScheme | undefined;
  readonly #oneScheme: IntegerScheme | undefined;

  /** @param oneScheme that of GPTQ or AWQ, for each module whose tensors are there */
  constructor(
    description: Description,
    where: string,
    quantization: QuantizationScheme | undefined,
    oneScheme: IntegerScheme | undefined,
  ) {
    const modules = [description.embedding, description.head ?? [], blockModules(description)].flat();
    this.#modules = new Map(modules.map((module) => [module.name, module]));
    this.#where = where;
    this.#quantization = quantization;
    this.#oneScheme = oneScheme;
  }

  /** Whether weights of this name may be a view of other tensors. */
  mayHave(weight: string): boolean {
    const module = weight.replace(/\.weight$/, "");
    if (module === weight || !this.#modules.has(module)) return false;
    return this.#oneScheme !== undefined || this.#quantization?.integers?.(module) !== undefined;
  }

  /** @throws CheckpointError, UnsupportedModelError where tensors do not fit the configuration */
  find(tensors: Tensors): IntegerModule[] {
    return [...this.#modules.values()].flatMap((module) => {
      const one = this.#oneScheme && tensors.has(`${module.name}.qweight`) ? this.#oneScheme : undefined;
      const scheme = one ?? this.#quantization?.integers?.(module.name);
      return scheme ? [findIntegerModule(tensors, module, scheme, this.#where)] : [];
    });
  }

  /** Tensors with one for the weights of each module, in the place of its codes. */
  views(tensors: Tensors, modules: IntegerModules): Tensors {
    const views = new Map<string, TensorInfo | undefined>();
    for (const module of this.#found(modules)) {
      for (const { name } of module.tensors) views.set(name, undefined);
      views.set(module.codes.name, viewOf(module));
    }
    if (views.size === 0) return tensors;
    const all = [...tensors.values()].map((info) => (views.has(info.name) ? views.get(info.name) : info));
    return new Map(all.flatMap((info) => (info ? [[info.name, info]] : [])));
  }

  /** Leaves out biases of nothing but zeros, which AutoGPTQ writes where a model has none. */
  async withoutEmptyBiases(
    tensors: Tensors,
    modules: IntegerModules,
    read: ReadTensor,
    onNote: (note: string) => void,
  ): Promise<Tensors> {
    const empty: TensorInfo[] = [];
    for (const { name } of this.#found(modules)) {
      const bias = tensors.get(`${name}.bias`);
      if (!bias || this.#modules.get(name)!.bias) continue;
      const decode = floatDecoder(bias.type);
      if (decode?.(await read(bias.name, {})).every((value) => value === 0)) empty.push(bias);
    }
    if (empty.length === 0) return tensors;
    onNote(`${empty[0]!.file}: ${empty.length} biases of zeros, which the model does not have, are not used`);
    const left = new Set(empty.map(({ name }) => name));
    return new Map([...tensors].filter(([name]) => !left.has(name)));
  }

  #found(modules: IntegerModules): IntegerModule[] {
    return [...this.#modules.keys()].flatMap((name) => modules.get(name) ?? []);
  }
}

function viewOf({ name, N, K, scheme, tensors }: IntegerModule): TensorInfo {
  return {
    name: `${name}.weight`,
    type: scheme.bits === 4 ? "INT4" : "INT8",
    shape: [N, K],
    bytes: tensors.reduce((sum, { bytes }) => sum + bytes, 0),
    file: [...new Set(tensors.map(({ file }) => file))].join(", "),
  };
}
