/** Texts that go through a model at the same time: as many as the KV cache has room for. */
import { BLOCK_TOKENS } from "../model/layers/attention.ts";
import type { Transformer } from "../model/transformer.ts";

/**
 * Divides texts, in order, into groups that fit the cache together: none of a group takes the place of
 * another, which would have to be computed again.
 *
 * @param texts token ids, each of at most the context size
 */
export function* roomForTogether(
  texts: readonly (readonly number[])[],
  { cacheTokens }: Pick<Transformer, "cacheTokens">,
): Generator<(readonly number[])[]> {
  const blocks = (ids: readonly number[]) => Math.ceil(ids.length / BLOCK_TOKENS);
  const most = Math.floor(cacheTokens.available / BLOCK_TOKENS);
  let group: (readonly number[])[] = [];
  let taken = 0;
  for (const ids of texts) {
    if (group.length > 0 && taken + blocks(ids) > most) {
      yield group;
      [group, taken] = [[], 0];
    }
    group.push(ids);
    taken += blocks(ids);
  }
  if (group.length > 0) yield group;
}
