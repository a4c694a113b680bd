/**
 * float16 and bfloat16, little-endian bytes, to and from float32. Widening is exact; narrowing rounds to
 * nearest, ties to even.
 */

const f32 = new Float32Array(1);
const f32Bits = new Uint32Array(f32.buffer);

/** float32 value of the 16 bits of a float16 (IEEE 754 binary16). Exact. */
export function f16ToF32(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? Number.NaN : sign * Infinity;
  return sign * (1024 + fraction) * 2 ** (exponent - 25);
}

/** float32 value of the 16 bits of a bfloat16: the upper half of a float32. Exact. */
export function bf16ToF32(bits: number): number {
  f32Bits[0] = bits << 16;
  return f32[0]!;
}

/** Bits of the float16 nearest to a float32; 65520 and above become infinity. */
export function f32ToF16(value: number): number {
  f32[0] = value;
  const sign = (f32Bits[0]! >>> 16) & 0x8000;
  const magnitude = f32Bits[0]! & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  if (magnitude >= 0x477ff000) return sign | 0x7c00;
  // Below 2^-14 the spacing is fixed at 2^-24: adding 0.5 makes the hardware round to exactly that spacing
  // (0.5 has ulp 2^-24).
  if (magnitude < 0x38800000) {
    f32[0] = Math.abs(value) + 0.5;
    return sign | (f32Bits[0]! - 0x3f000000);
  }
  const odd = (magnitude >>> 13) & 1;
  return sign | ((magnitude - 0x38000000 + 0xfff + odd) >>> 13);
}

/** Bits of the bfloat16 nearest to a float32. */
export function f32ToBf16(value: number): number {
  f32[0] = value;
  const bits = f32Bits[0]!;
  if ((bits & 0x7fffffff) > 0x7f800000) return (bits >>> 16) | 0x40;
  return (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
}

let f16Table: Float32Array | undefined;

/** Every float16 in 256 KiB: a table read per element is several times faster than the arithmetic. */
export function f16Values(): Float32Array {
  return (f16Table ??= Float32Array.from({ length: 65536 }, (_, bits) => f16ToF32(bits)));
}

export function decodeF16(bytes: Uint8Array): Float32Array {
  const table = f16Values();
  const stored = view16(bytes);
  const values = new Float32Array(stored.length);
  for (let i = 0; i < stored.length; i++) values[i] = table[stored[i]!]!;
  return values;
}

export function decodeBF16(bytes: Uint8Array): Float32Array {
  const stored = view16(bytes);
  const bits = new Uint32Array(stored.length);
  for (let i = 0; i < stored.length; i++) bits[i] = stored[i]! << 16;
  return new Float32Array(bits.buffer);
}

/** Shares memory with `bytes` where their address allows. */
export function decodeF32(bytes: Uint8Array): Float32Array {
  const { buffer, byteOffset, byteLength } = aligned(bytes, 4);
  return new Float32Array(buffer, byteOffset, byteLength / 4);
}

/** What decodes floats of a type, by its name in safetensors; undefined for a type that is none of these. */
export function floatDecoder(type: string): ((bytes: Uint8Array) => Float32Array) | undefined {
  return type === "F32" ? decodeF32 : type === "F16" ? decodeF16 : type === "BF16" ? decodeBF16 : undefined;
}

export function encodeF16(values: Float32Array): Uint8Array {
  return encode16(values, f32ToF16);
}

export function encodeBF16(values: Float32Array): Uint8Array {
  return encode16(values, f32ToBf16);
}

/**
 * A loop, because `Uint16Array.from` with a mapping goes through an iterator and takes several times as long.
 */
function encode16(values: Float32Array, encode: (value: number) => number): Uint8Array {
  const bits = new Uint16Array(values.length);
  for (let i = 0; i < bits.length; i++) bits[i] = encode(values[i]!);
  return new Uint8Array(bits.buffer);
}

function view16(bytes: Uint8Array): Uint16Array {
  const { buffer, byteOffset, byteLength } = aligned(bytes, 2);
  return new Uint16Array(buffer, byteOffset, byteLength / 2);
}

/**
 * The same bytes at an address that a typed array of this element size accepts: copied only if they are not.
 */
function aligned(bytes: Uint8Array, elementBytes: number): Uint8Array {
  return bytes.byteOffset % elementBytes === 0 ? bytes : bytes.slice();
}
