/** The model as `/v1/models` shows it: OpenAI's fields, and under `meta` llama-server's. */
import type { LanguageModel } from "../decoding/language-model.ts";

export function modelObject(model: LanguageModel, id: string): object {
  const { config, forwardPass } = model;
  const meta = {
    n_vocab: config.vocabSize,
    n_ctx: forwardPass.contextSize,
    n_ctx_train: config.contextLength,
    n_embd: config.hiddenSize,
    // Bytes of each part.
    memory: model.memory(),
  };
  return { id, object: "model", created: 0, owned_by: "fptq", meta };
}
