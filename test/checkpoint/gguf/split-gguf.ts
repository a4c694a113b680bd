/** Cuts a fixture into parts, as llama.cpp's `gguf-split` does: metadata in the first, tensors in turn. */
import { buildGguf, type Fixture, type FixtureValue, i32, u16 } from "./gguf-fixture.ts";

export interface SplitOptions {
  readonly name?: string;
  /** Whether the first part has only the metadata. */
  readonly bareFirst?: boolean;
  /** Metadata of parts behind the first, besides their own. */
  readonly more?: () => readonly (readonly [string, FixtureValue])[];
}

/** The files of the parts by name, in order. */
export function splitGguf(fixture: Fixture, count: number, options: SplitOptions = {}): Map<string, Uint8Array> {
  const { name = "tiny", bareFirst = false, more = () => [] } = options;
  const { metadata, tensors } = fixture;
  const holders = bareFirst ? count - 1 : count;
  const each = Math.ceil(tensors.length / holders);
  const files = new Map<string, Uint8Array>();
  for (let place = 0; place < count; place++) {
    const holder = bareFirst ? place - 1 : place;
    const split = [["split.no", u16(place)], ["split.count", u16(count)], ["split.tensors.count", i32(tensors.length)]] as const; // prettier-ignore
    const part = buildGguf({
      ...fixture,
      metadata: [...(place === 0 ? metadata : more()), ...split],
      tensors: holder < 0 ? [] : tensors.slice(holder * each, (holder + 1) * each),
    });
    files.set(partName(name, place, count), part.bytes);
  }
  return files;
}

export function partName(name: string, place: number, count: number): string {
  const digits = (number: number) => String(number).padStart(5, "0");
  return `${name}-${digits(place + 1)}-of-${digits(count)}.gguf`;
}
