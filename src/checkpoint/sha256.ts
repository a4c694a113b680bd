/**
 * SHA-256 (FIPS 180-4) of bytes that arrive in pieces, which WebCrypto does not offer, and of bytes that are
 * all there.
 */
import { sha256 as noble } from "@noble/hashes/sha2.js";

export interface Sha256 {
  update(bytes: Uint8Array): void;
  /** The digest as 64 lower-case hexadecimal digits. Nothing can be added afterwards. */
  hex(): string;
}

/** A new, empty digest. A runtime that has a faster one than JavaScript supplies it. */
export type CreateSha256 = () => Sha256;

export const createSha256: CreateSha256 = () => {
  const hash = noble.create();
  return { update: (bytes) => void hash.update(bytes), hex: () => hexadecimal(hash.digest()) };
};

/**
 * Digest of a whole block, 32 bytes: by WebCrypto, which is native, where the page's origin is allowed to use
 * it.
 */
export async function sha256(bytes: Uint8Array): Promise<Uint8Array> {
  // Present in every runtime, but not in pages served over plain HTTP.
  const subtle = (globalThis.crypto as Crypto | undefined)?.subtle;
  return subtle ? new Uint8Array(await subtle.digest("SHA-256", bytes as Uint8Array<ArrayBuffer>)) : noble(bytes);
}

export function hexadecimal(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export const isSha256Hex = (value: unknown): value is string => typeof value === "string" && /^[0-9a-f]{64}$/.test(value);
