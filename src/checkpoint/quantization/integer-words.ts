/**
 * Codes of weights in 32-bit words, from the layouts of GPTQ and AWQ to that of compressed-tensors, which
 * kernels are packed from: rows of out_features, each with its columns in order from the lowest bits up
 * (`pack-quantized.ts`).
 */
import { transposeBytes } from "../safetensors/stored-order.ts";

/** Which of a word's 8 channels is in its nibble i (`awq/utils/packing_utils.py` of AutoAWQ). */
const AWQ_CHANNELS: readonly number[] = [0, 2, 4, 6, 1, 3, 5, 7];

/** The same bytes as words; moved if they do not lie at a multiple of four. */
export function wordsOf(bytes: Uint8Array): Int32Array {
  const { buffer, byteOffset, byteLength } = bytes.byteOffset % 4 === 0 ? bytes : bytes.slice();
  return new Int32Array(buffer, byteOffset, byteLength / 4);
}

/** GPTQ's qweight i32[rowWords, N], whose words have columns of one channel: words i32[N, rowWords]. */
export function gptqWords(qweight: Uint8Array, rowWords: number, N: number): Int32Array {
  return wordsOf(transposeBytes(qweight, rowWords, N));
}

/** AWQ's qweight i32[K, N/8], whose words have channels of one column: words i32[N, K/8]. */
export function awqWords(qweight: Uint8Array, K: number, N: number): Int32Array {
  const stored = wordsOf(qweight);
  const [columns, rowWords] = [N / 8, K / 8];
  const words = new Int32Array(N * rowWords);
  const square = new Int32Array(8);
  for (let column = 0; column < columns; column++) {
    for (let k = 0; k < rowWords; k++) {
      for (let i = 0; i < 8; i++) square[i] = stored[(8 * k + i) * columns + column]!;
      transposeNibbles(square);
      for (let i = 0; i < 8; i++) words[(8 * column + AWQ_CHANNELS[i]!) * rowWords + k] = square[i]!;
    }
  }
  return words;
}

/** Nibble j of word i and nibble i of word j change places: halves, then quarters, then eighths of a word. */
function transposeNibbles(words: Int32Array): void {
  for (const [distance, shift, mask] of [
    [4, 16, 0x0000ffff],
    [2, 8, 0x00ff00ff],
    [1, 4, 0x0f0f0f0f],
  ] as const) {
    // prettier-ignore
    for (let i = 0; i < 8; i++) {
      if (i & distance) continue;
      const swapped = ((words[i]! >>> shift) ^ words[i + distance]!) & mask;
      words[i + distance]! ^= swapped;
      words[i]! ^= swapped << shift;
    }
  }
}

/** Codes of N channels, neighbours in words: i32[groups, ceil(N * bits / 32)] to u8[N, groups]. */
export function unpackZeros(words: Int32Array, N: number, { bits, isAwq }: { bits: 4 | 8; isAwq: boolean }): Uint8Array {
  const codesInWord = 32 / bits;
  const rowWords = Math.ceil(N / codesInWord);
  const groups = words.length / rowWords;
  const mask = 2 ** bits - 1;
  const zeros = new Uint8Array(N * groups);
  for (let n = 0; n < N; n++) {
    const code = n % codesInWord;
    const shift = bits * (isAwq ? AWQ_CHANNELS.indexOf(code) : code);
    for (let g = 0; g < groups; g++) {
      zeros[n * groups + g] = (words[g * rowWords + Math.floor(n / codesInWord)]! >>> shift) & mask;
    }
  }
  return zeros;
}

/** The same of compressed-tensors, i32[ceil(N * bits / 32), groups], of channels `begin` to `end`. */
export function unpackZeroRows(
  words: Int32Array,
  groups: number,
  [begin, end]: readonly [number, number],
  bits: 4 | 8,
): Uint8Array {
  const codesInWord = 32 / bits;
  const zeros = new Uint8Array((end - begin) * groups);
  for (let n = begin, i = 0; n < end; n++) {
    const [row, shift] = [Math.floor(n / codesInWord) * groups, bits * (n % codesInWord)];
    for (let g = 0; g < groups; g++) zeros[i++] = (words[row + g]! >>> shift) & (2 ** bits - 1);
  }
  return zeros;
}

/** int8[rows, K] q to words of q + 2^(bits-1); a row ends in zeros where its last word is not full. */
export function packSigned(q: Int8Array, K: number, bits: 4 | 8): Int32Array {
  const codesInWord = 32 / bits;
  const rowWords = Math.ceil(K / codesInWord);
  const rows = q.length / K;
  const words = new Int32Array(rows * rowWords);
  const offset = 2 ** (bits - 1);
  for (let row = 0, at = 0; row < rows; row++) {
    for (let k = 0; k < K; k++, at++) {
      words[row * rowWords + Math.floor(k / codesInWord)]! |= (q[at]! + offset) << (bits * (k % codesInWord));
    }
  }
  return words;
}

/** Rows of words with column order[k] in the place of column k. */
export function orderColumns(words: Int32Array, order: Int32Array, bits: 4 | 8): Int32Array {
  const codesInWord = 32 / bits;
  const rowWords = order.length / codesInWord;
  const mask = 2 ** bits - 1;
  const [source, shifts] = [new Int32Array(order.length), new Int32Array(order.length)];
  for (let k = 0; k < order.length; k++) {
    source[k] = Math.floor(order[k]! / codesInWord);
    shifts[k] = bits * (order[k]! % codesInWord);
  }
  const ordered = new Int32Array(words.length);
  for (let row = 0; row < words.length; row += rowWords) {
    for (let word = 0, k = 0; word < rowWords; word++) {
      let codes = 0;
      for (let shift = 0; shift < 32; shift += bits, k++) codes |= ((words[row + source[k]!]! >>> shifts[k]!) & mask) << shift;
      ordered[row + word] = codes;
    }
  }
  return ordered;
}
