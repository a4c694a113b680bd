/**
 * Names in files that were saved from a wrapped model, or from a part of one: what stands before and between
 * the parts of the name that transformers has for a tensor.
 *
 *   _orig_mod.model.layers.0...         torch.compile, of the model or of a part of it
 *   module.model.layers.0...            DataParallel, DDP
 *   base_model.model.model.layers.0...  PEFT, merged
 *   layers.0..., h.0...                 the model without its head: OpenAI's GPT-2, BigScience's BLOOM
 */
import { familyOf } from "../../architecture/families.ts";
import type { ModuleNames } from "../../architecture/family.ts";
import type { Architecture, ModelConfig } from "../../architecture/model-config.ts";
import { CheckpointError } from "../../errors.ts";

/** Modules that wrap a module at any depth: torch.compile, FSDP, activation checkpointing. */
const WRAPPERS: ReadonlySet<string> = new Set(["_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"]);

export interface UnwrappedNames<T> {
  readonly tensors: ReadonlyMap<string, T>;
  /** What was done, where it is more than what files of the family are known for. */
  readonly note: string | undefined;
}

/**
 * Gives the tensors of a model the names of its family: without wrappers, and with the family's prefix where
 * none of them has it. They stay as they are if that does not give every tensor that is needed. A tensor that
 * no rule renames keeps its name.
 *
 * @param needed names of the tensors the model must have
 * @param where for messages
 * @throws CheckpointError if two tensors would get one name
 */
export function unwrapNames<T>(
  tensors: ReadonlyMap<string, T>,
  architecture: Architecture,
  needed: readonly string[],
  where: string,
): UnwrappedNames<T> {
  const asTheyAre = { tensors, note: undefined };
  if (needed.every((name) => tensors.has(name))) return asTheyAre;
  const { names, optionalPrefix } = familyOf(architecture);
  const rename = renaming([...tensors.keys()], names);
  if (rename === undefined) return asTheyAre;

  const renamed = new Map<string, { from: string; value: T }>();
  for (const [from, value] of tensors) {
    const name = rename(from);
    const other = renamed.get(name)?.from;
    if (other !== undefined)
      throw new CheckpointError(`${where}: tensor ${name}: got both "${other}" and "${from}", need one of them`);
    renamed.set(name, { from, value });
  }
  if (!needed.every((name) => renamed.has(name))) return asTheyAre;
  const [name, { from }] = [...renamed].find(([to, old]) => to !== old.from)!;
  return {
    tensors: new Map([...renamed].map(([to, { value }]) => [to, value])),
    note:
      optionalPrefix !== undefined && name === optionalPrefix + from
        ? undefined
        : `${where}: names: "${from}" is read as "${name}", and others like it`,
  };
}

/**
 * The tensors of a tied model whose one matrix has the head's name, as the writer of safetensors keeps one of
 * two names for one tensor: under the embedding's.
 */
export function withEmbedding<T>(
  tensors: ReadonlyMap<string, T>,
  { architecture, tiedEmbedding }: Pick<ModelConfig, "architecture" | "tiedEmbedding">,
): ReadonlyMap<string, T> {
  const { names } = familyOf(architecture);
  const [embedding, head] = [`${names.embedding}.weight`, `${names.head}.weight`];
  if (!tiedEmbedding || !tensors.has(head) || [...tensors.keys()].some((name) => name.startsWith(`${names.embedding}.`)))
    return tensors;
  return new Map([...tensors].map(([name, value]) => [name === head ? embedding : name, value]));
}

/** Finds what to do with names from where the embedding is; undefined if it is nowhere. */
function renaming(stored: readonly string[], names: ModuleNames): ((name: string) => string) | undefined {
  const inner = stored.map(withoutWrappers);
  const base = names.embedding.slice(0, names.embedding.indexOf(".") + 1);
  const whole = prefixBefore(inner, names.embedding);
  if (whole !== undefined) return (name) => withoutPrefix(withoutWrappers(name), whole);

  const part = prefixBefore(inner, names.embedding.slice(base.length));
  if (part === undefined || inner.some((name) => withoutPrefix(name, part).startsWith(base))) return undefined;
  const modules = modulesOf(names);
  return (name) => {
    const bare = withoutPrefix(withoutWrappers(name), part);
    return modules.some((module) => `${base}${bare}`.startsWith(`${module}.`)) ? base + bare : bare;
  };
}

function prefixBefore(stored: readonly string[], module: string): string | undefined {
  const tensor = [`${module}.weight`, `${module}.weight_packed`];
  for (const name of stored) {
    const found = tensor.find((end) => name === end || name.endsWith(`.${end}`));
    if (found !== undefined) return name.slice(0, name.length - found.length);
  }
  return undefined;
}

/** Modules of the model without its head. */
function modulesOf({ embedding, positions, embeddingNorm, blocks, finalNorm }: ModuleNames): string[] {
  return [embedding, positions, embeddingNorm, blocks, finalNorm].filter((module) => module !== undefined);
}

function withoutWrappers(name: string): string {
  return name
    .split(".")
    .filter((part) => !WRAPPERS.has(part))
    .join(".");
}

function withoutPrefix(name: string, prefix: string): string {
  return name.startsWith(prefix) ? name.slice(prefix.length) : name;
}

/**
 * A stored name that is likely what a missing tensor is called here: one that ends as its name does, behind
 * another beginning.
 */
export function nameLike(missing: string, stored: Iterable<string>): string | undefined {
  const bare = missing.slice(missing.indexOf(".") + 1);
  const ends = [missing, bare].filter((end) => end.includes("."));
  for (const name of stored) {
    const inner = withoutWrappers(name);
    if (ends.some((end) => inner === end || inner.endsWith(`.${end}`))) return name;
  }
  return undefined;
}
