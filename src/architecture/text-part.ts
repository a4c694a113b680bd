/**
 * Models for text and images whose text part is one this package runs: its configuration lies under
 * `text_config`, most of it left to defaults, and its tensors beside those of the other parts.
 */
import { CheckpointError } from "../errors.ts";
import { describe, isJsonObject, type JsonObject } from "../json-object.ts";
import type { Architecture } from "./model-config.ts";

interface WholeModel {
  readonly textArchitecture: Architecture;
  readonly textClass: string;
  /** Names of tensors of the other parts begin so. */
  readonly others: readonly string[];
}

const WHOLE_MODELS: Readonly<Record<string, WholeModel>> = {
  gemma3: {
    textArchitecture: "gemma3_text",
    textClass: "Gemma3ForCausalLM",
    others: ["vision_tower.", "model.vision_tower.", "multi_modal_projector.", "model.multi_modal_projector."],
  },
};

/** Keys of the whole model that its text part has as well. */
const SHARED_KEYS = [
  "bos_token_id", "eos_token_id", "pad_token_id", "torch_dtype", "dtype", "tie_word_embeddings", "quantization_config",
]; // prettier-ignore

export interface TextPart {
  /** `config.json` of the text part by itself. */
  readonly json: JsonObject;
  /** Whether a tensor belongs to another part. */
  readonly isOther: (tensor: string) => boolean;
  readonly note: string;
}

/**
 * Gives the text part of a model that has others; undefined for one that is text alone, or is not known here.
 *
 * @param fileName for messages
 * @throws CheckpointError if there is no `text_config`, or it is of another model
 */
export function textPartOf(json: JsonObject, fileName: string): TextPart | undefined {
  const type = json["model_type"];
  const whole = typeof type === "string" && Object.hasOwn(WHOLE_MODELS, type) ? WHOLE_MODELS[type]! : undefined;
  if (!whole) return undefined;
  const text = json["text_config"];
  if (!isJsonObject(text)) throw new CheckpointError(`${fileName}: text_config: got ${describe(text)}, need an object`);
  const { model_type: textType = whole.textArchitecture, ...own } = text;
  if (textType !== whole.textArchitecture)
    throw new CheckpointError(
      `${fileName}: text_config: model_type: got ${describe(textType)}, need "${whole.textArchitecture}" in a ${String(type)} model`,
    );
  const shared = SHARED_KEYS.flatMap((key) => (json[key] === undefined ? [] : [[key, json[key]] as const]));
  return {
    json: {
      ...Object.fromEntries(shared),
      ...own,
      architectures: [whole.textClass],
      model_type: whole.textArchitecture,
    },
    isOther: (tensor) => whole.others.some((prefix) => tensor.startsWith(prefix)),
    note: `${fileName}: model_type: got ${describe(type)}; its text part is run, images are not`,
  };
}
