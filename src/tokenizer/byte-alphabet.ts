/**
 * GPT-2's alphabet, in which each byte is a printable character: printable Latin-1 stands for itself, the
 * other bytes for U+0100 and on, in order.
 */
export const BYTE_ALPHABET: readonly string[] = (() => {
  let next = 0x100;
  return Array.from({ length: 256 }, (_, byte) => {
    const isPrintable = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte !== 0xad);
    return String.fromCodePoint(isPrintable ? byte : next++);
  });
})();

export const BYTE_OF_CHARACTER: ReadonlyMap<string, number> = new Map(BYTE_ALPHABET.map((character, byte) => [character, byte]));

const utf8 = new TextEncoder();

/** A text with a character for each of its bytes in UTF-8. */
export function toByteAlphabet(text: string): string {
  let spelled = "";
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit >= 0x80) return spelled + spellBytes(text.slice(i));
    spelled += BYTE_ALPHABET[unit]!;
  }
  return spelled;
}

function spellBytes(text: string): string {
  let spelled = "";
  for (const byte of utf8.encode(text)) spelled += BYTE_ALPHABET[byte]!;
  return spelled;
}
