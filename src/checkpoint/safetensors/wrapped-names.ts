/**
 * Names in files that were saved without the head, as OpenAI's GPT-2 and BigScience's BLOOM:
 * `h.0.ln_1.weight`, for `transformer.h.0.ln_1.weight`.
 */
import { familyOf } from "../../architecture/families.ts";
import type { Architecture } from "../../architecture/model-config.ts";

/**
 * Gives the tensors of a model their names with the prefix of their family, if none of them has it. A name
 * that no module of the family begins stays as it is.
 */
export function withPrefix<T>(tensors: ReadonlyMap<string, T>, architecture: Architecture): ReadonlyMap<string, T> {
  const { names, optionalPrefix: prefix } = familyOf(architecture);
  if (prefix === undefined || [...tensors.keys()].some((name) => name.startsWith(prefix))) return tensors;
  const { embedding, positions, embeddingNorm, blocks, finalNorm } = names;
  const modules = [embedding, positions, embeddingNorm, blocks, finalNorm].filter((module) => module !== undefined);
  const isModel = (name: string) => modules.some((module) => name.startsWith(`${module}.`));
  return new Map([...tensors].map(([name, value]) => [isModel(prefix + name) ? prefix + name : name, value]));
}
