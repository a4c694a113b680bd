/**
 * Chunks of a text, cut as llama-perplexity does: pieces of n = contextSize tokens from the start, without
 * overlap; what is left over is not used. If the tokenizer adds a beginning-of-sequence token, the text
 * begins with it, and it stands in for the first id of each chunk after that.
 */
import { OptionError } from "../errors.ts";
import { need } from "../need.ts";

export interface ChunkOptions {
  /** Tokens per chunk, n. Default 512. */
  readonly contextSize?: number | undefined;
  /** The number of chunks at most; by default as many as the text has. */
  readonly chunks?: number | undefined;
  /** The beginning-of-sequence token, given only if the tokenizer adds it to a text by itself (`add_bos`). */
  readonly bosTokenId?: number | undefined;
}

/**
 * @param ids of the whole text, without special tokens; not changed
 * @param mostTokens the largest contextSize that fits
 * @returns chunks of contextSize ids each, at least one
 * @throws OptionError if an option is outside its domain or the text is shorter than one chunk
 */
export function textChunks(ids: ArrayLike<number>, options: ChunkOptions, mostTokens: number): number[][] {
  // Fewer leave a second half with at most one target.
  const n = need.whole("contextSize", options.contextSize ?? 512, 4, mostTokens);
  const bos = options.bosTokenId === undefined ? 0 : 1;
  const available = Math.floor((ids.length + bos) / n);
  if (available === 0)
    throw new OptionError(`text: got ${ids.length} tokens, need at least ${n - bos} for one chunk of contextSize`);
  const count = Math.min(available, options.chunks === undefined ? available : need.whole("chunks", options.chunks, 1));
  return Array.from({ length: count }, (__, chunk) => {
    const chunkIds = Array.from({ length: n }, (_, i) => ids[chunk * n + i - bos]!);
    if (options.bosTokenId !== undefined) chunkIds[0] = options.bosTokenId;
    return chunkIds;
  });
}
