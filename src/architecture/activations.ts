/** Activation functions of plain MLPs by the names transformers has for them (its `activations.py`). */
import { UnsupportedModelError } from "../errors.ts";
import type { JsonFields } from "../json-object.ts";
import type { Activation } from "./model-config.ts";

/** The three names of GELU by tanh are one function, written with other roundings. */
const ACTIVATIONS: ReadonlyMap<string, Activation> = new Map<string, Activation>([
  ["gelu", "gelu"],
  ["gelu_new", "gelu_tanh"],
  ["gelu_pytorch_tanh", "gelu_tanh"],
  ["gelu_fast", "gelu_tanh"],
  ["relu", "relu"],
]);

/**
 * Reads the activation of an MLP without a gate.
 *
 * @throws UnsupportedModelError for another one
 */
export function parseActivation(fields: JsonFields, key: string, fallback: string): Activation {
  const name = fields.string(key, fallback);
  const activation = ACTIVATIONS.get(name);
  if (activation !== undefined) return activation;
  throw new UnsupportedModelError(`${fields.where}: ${key}: got "${name}", supported: ${[...ACTIVATIONS.keys()].join(", ")}`);
}

/** Name of an activation in `config.json`; `parseActivation` reads it as the same one. */
export function activationName(activation: Activation): string {
  return [...ACTIVATIONS].find(([, value]) => value === activation)?.[0] ?? activation;
}
