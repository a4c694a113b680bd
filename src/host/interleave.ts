/**
 * Several files in one, piece by piece in turns: what two builds of the kernels have in common then lies near
 * enough for a compressor that looks back 32 KiB (RFC 1951), which is more than half of either build.
 *
 *   piece 0 of file 0 | piece 0 of file 1 | piece 1 of file 0 | ...
 *
 * A file that has ended takes no more turns.
 */
const PIECE_BYTES = 8192;

export function interleave(files: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(files.reduce((sum, { length }) => sum + length, 0));
  forEachPiece(
    files.map(({ length }) => length),
    (file, begin, end, at) => whole.set(files[file]!.subarray(begin, end), at),
  );
  return whole;
}

/** @param lengths of the files, in the order they were given in */
export function deinterleave(whole: Uint8Array, lengths: readonly number[]): Uint8Array<ArrayBuffer>[] {
  const files = lengths.map((length) => new Uint8Array(length));
  forEachPiece(lengths, (file, begin, end, at) => files[file]!.set(whole.subarray(at, at + end - begin), begin));
  return files;
}

function forEachPiece(lengths: readonly number[], visit: (file: number, begin: number, end: number, at: number) => void): void {
  let at = 0;
  for (let begin = 0; begin < Math.max(...lengths); begin += PIECE_BYTES) {
    for (const [file, length] of lengths.entries()) {
      const end = Math.min(begin + PIECE_BYTES, length);
      if (end <= begin) continue;
      visit(file, begin, end, at);
      at += end - begin;
    }
  }
}
