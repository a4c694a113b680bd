/**
 * Merges of a SentencePiece BPE vocabulary, which stores none: two neighbouring pieces may merge if their
 * text is a piece, the one of the highest score first (SentencePiece `src/bpe_model.cc`; llama.cpp
 * `llm_tokenizer_spm`).
 *
 * As ranked merges this is what transformers makes of the same vocabulary (`convert_slow_tokenizer.py`,
 * `generate_merges`). Pairs that spell the same piece, and pieces of equal score, get an order here where
 * SentencePiece takes the leftmost; a trained vocabulary, whose scores are all different, is not affected in
 * practice.
 */

/**
 * @param ids id of each token; without a prototype
 * @param isPiece whether a token takes part; control and unknown tokens do not
 * @returns pairs, first to merge first
 */
export function sentencePieceMerges(
  tokens: readonly string[],
  ids: Readonly<Record<string, number>>,
  scores: ArrayLike<number>,
  isPiece: (id: number) => boolean,
): [left: string, right: string][] {
  const merges: { left: string; right: string; leftId: number; rightId: number; score: number }[] = [];
  for (const [id, token] of tokens.entries()) {
    if (!isPiece(id)) continue;
    // Between code points, not between the halves of a surrogate pair.
    for (let at = 0; ;) {
      at += token.codePointAt(at)! > 0xffff ? 2 : 1;
      if (at >= token.length) break;
      const [left, right] = [token.slice(0, at), token.slice(at)];
      const [leftId, rightId] = [ids[left], ids[right]];
      if (leftId === undefined || rightId === undefined || !isPiece(leftId) || !isPiece(rightId)) continue;
      merges.push({ left, right, leftId, rightId, score: scores[id]! });
    }
  }
  merges.sort((a, b) => b.score - a.score || b.left.length - a.left.length || a.leftId - b.leftId || a.rightId - b.rightId);
  return merges.map(({ left, right }) => [left, right]);
}
