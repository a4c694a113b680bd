/** Modules that compute something else than they should, in one place each. */

/**
 * Every place where `bytes` hold `from`, an opcode of the 0xfd prefix, turned into `to`: valid code with the
 * same exports, other bits.
 */
export function withOpcode(bytes: Uint8Array<ArrayBuffer>, from: number[], to: number[]): WebAssembly.Module[] {
  const found: WebAssembly.Module[] = [];
  for (let i = 0; i + from.length <= bytes.length; i++) {
    if (!from.every((byte, j) => bytes[i + j] === byte)) continue;
    const changed = bytes.slice();
    changed.set(to, i);
    if (WebAssembly.validate(changed)) found.push(new WebAssembly.Module(changed));
  }
  return found;
}
