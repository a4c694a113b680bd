/** Figures of a server as they are now, for its metrics. */
import type { LanguageModel } from "../decoding/language-model.ts";
import type { Admission } from "./admission.ts";

type Gauges = Record<string, readonly [help: string, value: number]>;

export function gauges(model: LanguageModel | undefined, { running, waiting }: Admission): Gauges {
  const line: Gauges = {
    requests_running: ["requests that are being answered", running],
    requests_waiting: ["requests that wait for their turn", waiting],
  };
  if (!model) return line;
  const { total, free, shared } = model.forwardPass.cacheTokens;
  const { weights, kvCache, scratch, js } = model.memory();
  return {
    ...line,
    cache_tokens: ["tokens the cache holds", total],
    cache_free_tokens: ["those of them that nobody holds", free],
    cache_shared_tokens: ["those of them that several sequences hold", shared],
    weights_bytes: ["memory of the weights", weights],
    cache_bytes: ["memory of the cache", kvCache],
    scratch_bytes: ["memory a pass works in", scratch],
    tokenizer_bytes: ["memory of the tokenizer, estimated", js],
  };
}
