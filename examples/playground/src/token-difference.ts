/** Which tokens of two texts are not in both: what a longest common subsequence leaves out. */

/**
 * @param a ids of one text, at most a few hundred: the work is the product of both lengths
 * @param b those of the other
 * @returns for each token of either, whether the other text has it at that point
 */
export function commonTokens(a: readonly number[], b: readonly number[]): { a: boolean[]; b: boolean[] } {
  // lengths[i][j]: of the longest common subsequence of what follows a[i] and b[j], both included.
  const lengths = Array.from({ length: a.length + 1 }, () => new Uint16Array(b.length + 1));
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      lengths[i]![j] = a[i] === b[j] ? lengths[i + 1]![j + 1]! + 1 : Math.max(lengths[i + 1]![j]!, lengths[i]![j + 1]!);
    }
  }
  const common = { a: Array<boolean>(a.length).fill(false), b: Array<boolean>(b.length).fill(false) };
  for (let i = 0, j = 0; i < a.length && j < b.length;) {
    if (a[i] === b[j]) common.a[i++] = common.b[j++] = true;
    else if (lengths[i + 1]![j]! >= lengths[i]![j + 1]!) i++;
    else j++;
  }
  return common;
}
