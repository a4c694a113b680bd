/**
 * How a model's states become one vector of a text: what sentence-transformers writes beside a model
 * (`modules.json`, `1_Pooling/config.json`, `config_sentence_transformers.json`), a GGUF into `pooling_type`
 * (llama.cpp `enum llama_pooling_type`), and this package into `config.json` of a model it quantized.
 */
import { CheckpointError, UnsupportedModelError } from "../errors.ts";
import { describe, isJsonObject, JsonFields, type JsonObject } from "../json-object.ts";

/** The state of the last token, the mean of all, or the state of the first one. */
export const POOLINGS = ["last", "mean", "cls"] as const;
/** Which states of a text become its vector. */
export type PoolingKind = (typeof POOLINGS)[number];

/** How the states of a text become its vector. */
export interface Pooling {
  /** Which states. */
  readonly kind: PoolingKind;
  /** Linear layers behind that, in order: what EmbeddingGemma has. */
  readonly dense?: readonly DenseLayer[];
  /** Whether a vector is divided by its length. */
  readonly normalize: boolean;
  /** What is put in front of texts, by name: `query`. */
  readonly prompts: Readonly<Record<string, string>>;
  /** Name of the one that is used where none is asked for. */
  readonly defaultPrompt?: string | undefined;
}

/** y = W x + b, of one vector: a Dense module of sentence-transformers, without an activation. */
export interface DenseLayer {
  /** Where its files are. */
  readonly folder: string;
  readonly inFeatures: number; // K
  readonly outFeatures: number; // N
  readonly bias: boolean;
}

export interface DenseWeights {
  readonly weight: Float32Array; // f32[N, K]
  readonly bias: Float32Array | undefined; // f32[N]
}

export const MODULES_FILE = "modules.json";
/** The modules of a sentence-transformers model whose folders are read: the second one, and those behind. */
export const POOLING_FOLDER = "1_Pooling";
export const POOLING_FILE = `${POOLING_FOLDER}/config.json`;
export const DENSE_FOLDERS: readonly string[] = ["2_Dense", "3_Dense"];
/** What each of these folders has. */
export const DENSE_FILES = { config: "config.json", weights: "model.safetensors" } as const;
/** All files in folders of a model's folder that are read. */
export const FILES_BELOW: ReadonlySet<string> = new Set([
  POOLING_FILE,
  ...DENSE_FOLDERS.flatMap((folder) => Object.values(DENSE_FILES).map((file) => `${folder}/${file}`)),
]);
export const PROMPTS_FILE = "config_sentence_transformers.json";

/** What sentence-transformers calls them. */
const FLAGS: Readonly<Record<PoolingKind, string>> = {
  last: "pooling_mode_lasttoken",
  mean: "pooling_mode_mean_tokens",
  cls: "pooling_mode_cls_token",
};
const MODES: Readonly<Record<string, PoolingKind>> = { lasttoken: "last", mean: "mean", cls: "cls" };
/** Where the model itself is: in the folder. */
const TRANSFORMER_FOLDER = "";

/** The parsed files; `modules` is an array in a key of that name. */
export interface PoolingFiles {
  readonly modules: JsonObject;
  readonly pooling: JsonObject;
  readonly prompts: JsonObject | undefined;
  /** Gives `config.json` of a Dense module. */
  readonly dense: (folder: string) => Promise<JsonObject>;
}

/**
 * @param where for messages: the folder
 * @throws UnsupportedModelError for a module or a kind of pooling that is not run, naming it
 */
export async function parsePooling(files: PoolingFiles, where: string): Promise<Pooling> {
  const { modules, pooling, prompts } = files;
  const { folders, normalize } = checkModules(modules[MODULES_FILE], `${where}: ${MODULES_FILE}`);
  const kind = poolingKind(new JsonFields(pooling, `${where}: ${POOLING_FILE}`));
  const dense: DenseLayer[] = [];
  for (const folder of folders) {
    const name = `${where}: ${folder}/${DENSE_FILES.config}`;
    dense.push(parseDense(new JsonFields(await files.dense(folder), name), folder));
  }
  const said = parsePrompts(new JsonFields(prompts ?? {}, `${where}: ${PROMPTS_FILE}`));
  return { kind, ...(dense.length > 0 && { dense }), normalize, ...said };
}

/** The widest vector between two of them. */
const MOST_FEATURES = 2 ** 16;

/** @throws UnsupportedModelError for one with an activation */
function parseDense(fields: JsonFields, folder: string): DenseLayer {
  const activation = fields.string("activation_function", "");
  if (!activation.endsWith(".Identity")) {
    throw new UnsupportedModelError(`${fields.where}: activation_function: got ${describe(activation)}, supported: Identity`);
  }
  return {
    folder,
    inFeatures: fields.positiveInteger("in_features", MOST_FEATURES),
    outFeatures: fields.positiveInteger("out_features", MOST_FEATURES),
    bias: fields.boolean("bias", true),
  };
}

/** @returns folders of Dense modules, and whether the last module divides by the length */
function checkModules(modules: unknown, where: string): { readonly folders: string[]; readonly normalize: boolean } {
  if (!Array.isArray(modules)) throw new CheckpointError(`${where}: got ${describe(modules)}, need an array`);
  const types = (modules as unknown[]).map((module) => {
    const fields = new JsonFields(isJsonObject(module) ? module : {}, where);
    const type = fields.string("type");
    return { type, name: type.slice(type.lastIndexOf(".") + 1), path: fields.raw("path") };
  });
  const last = types.length - 1;
  const folders: string[] = [];
  for (const [i, { type, name, path }] of types.entries()) {
    const isDense = i > 1 && name === "Dense" && path === DENSE_FOLDERS[i - 2];
    if (isDense) folders.push(DENSE_FOLDERS[i - 2]!);
    const isKnown =
      i === 0
        ? name === "Transformer" && path === TRANSFORMER_FOLDER
        : i === 1
          ? name === "Pooling" && path === POOLING_FOLDER
          : isDense || (i === last && name === "Normalize");
    if (isKnown) continue;
    throw new UnsupportedModelError(
      `${where}: module ${i}: got "${type}" in ${describe(path)}, need Transformer, Pooling in "${POOLING_FOLDER}", ` +
        `up to ${DENSE_FOLDERS.length} Dense in ${DENSE_FOLDERS.map((folder) => `"${folder}"`).join(" and ")}, and Normalize, in this order`,
    );
  }
  if (types.length < 2) throw new UnsupportedModelError(`${where}: got ${types.length} modules, need Transformer and Pooling`);
  return { folders, normalize: types[last]!.name === "Normalize" };
}

function poolingKind(fields: JsonFields): PoolingKind {
  const stated = fields.raw("pooling_mode");
  const asked = fields.keys().filter((key) => key.startsWith("pooling_mode_") && fields.boolean(key, false));
  const names = stated === undefined ? asked : Array.isArray(stated) ? (stated as unknown[]) : [stated];
  const kind = POOLINGS.find((name) => names[0] === FLAGS[name] || MODES[String(names[0])] === name);
  if (names.length !== 1 || kind === undefined) {
    throw new UnsupportedModelError(
      `${fields.where}: pooling_mode: got ${describe(names)}, supported: one of last token, mean, cls`,
    );
  }
  if (kind === "mean" && !fields.boolean("include_prompt", true)) {
    throw new UnsupportedModelError(`${fields.where}: include_prompt: got false with the mean of tokens, supported: true`);
  }
  return kind;
}

function parsePrompts(fields: JsonFields): Pick<Pooling, "prompts" | "defaultPrompt"> {
  const named = fields.object("prompts");
  const prompts = Object.fromEntries((named?.keys() ?? []).map((name) => [name, named!.string(name)]));
  const defaultPrompt = fields.raw("default_prompt_name") === undefined ? undefined : fields.string("default_prompt_name");
  if (defaultPrompt === undefined) return { prompts };
  if (Object.hasOwn(prompts, defaultPrompt)) return { prompts, defaultPrompt };
  throw new CheckpointError(`${fields.where}: default_prompt_name: got "${defaultPrompt}", need the name of a prompt`);
}

/** @throws UnsupportedModelError for linear layers behind pooling: what is written has no place for them */
export function checkNoDense({ name, pooling }: { readonly name: string; readonly pooling?: Pooling | undefined }): void {
  const layer = pooling?.dense?.[0];
  if (layer) throw new UnsupportedModelError(`${name}: got linear layers behind pooling (${layer.folder}), need a model without`);
}

/** By the number that `pooling_type` has for them. */
const GGUF_KINDS = [undefined, "mean", "cls", "last"] as const;

/** `pooling_type`, as `ggufPooling` reads it. */
export function ggufPoolingType({ kind }: Pooling): number {
  return GGUF_KINDS.indexOf(kind);
}

/**
 * @param type `pooling_type` of a GGUF; undefined and 0 say nothing
 * @param where for messages: file and key
 * @throws UnsupportedModelError for a kind that is not run
 */
export function ggufPooling(type: number | undefined, where: string): Pooling | undefined {
  if (type === undefined || type === 0) return undefined;
  const kind = GGUF_KINDS[type];
  // llama.cpp divides by the length unless it is asked not to.
  if (kind !== undefined) return { kind, normalize: true, prompts: {} };
  throw new UnsupportedModelError(`${where}: got ${type}${type === 4 ? " (rank)" : ""}, supported: 0 to 3`);
}

/** What `poolingOfConfig` reads back: the part of `config.json` that this package writes. */
export function poolingJson({ kind, normalize, prompts, defaultPrompt }: Pooling): JsonObject {
  return { pooling: { kind, normalize, prompts, default_prompt_name: defaultPrompt ?? null } };
}

/** @param configJson `config.json` of a model that this package may have written */
export function poolingOfConfig(configJson: JsonObject, where: string): Pooling | undefined {
  const fields = new JsonFields(configJson, where).object("fptq")?.object("pooling");
  if (!fields) return undefined;
  const kind = POOLINGS.find((name) => name === fields.string("kind"));
  if (kind === undefined)
    throw new UnsupportedModelError(
      `${fields.where}: kind: got ${describe(fields.raw("kind"))}, supported: ${POOLINGS.join(", ")}`,
    );
  return { kind, normalize: fields.boolean("normalize"), ...parsePrompts(fields) };
}
