/** A copy of a model folder whose tensors have other names. */
import { encodeSafetensors } from "../../../src/checkpoint/safetensors/safetensors-layout.ts";
import type { SafetensorsType } from "../../../src/checkpoint/safetensors/safetensors.ts";
import { MemoryFolder } from "../../memory-folder.ts";

interface Entry {
  readonly dtype: SafetensorsType;
  readonly shape: readonly number[];
  readonly data_offsets: readonly [number, number];
}

const INDEX = "model.safetensors.index.json";

/** @param copies tensors to store twice: name after renaming -> name of the copy */
export function renameTensors(
  folder: MemoryFolder,
  rename: (name: string) => string,
  copies: Readonly<Record<string, string>> = {},
): MemoryFolder {
  const renamed = new MemoryFolder(folder.name);
  for (const fileName of folder.files.keys()) {
    const bytes = folder.bytes(fileName);
    if (!fileName.endsWith(".safetensors")) {
      renamed.set(fileName, bytes);
      continue;
    }
    const begin = 8 + Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
    const { __metadata__: _, ...header } = JSON.parse(new TextDecoder().decode(bytes.subarray(8, begin))) as Record<
      string,
      Entry
    >;
    const tensors = Object.entries(header).flatMap(
      ([
        old,
        {
          dtype,
          shape,
          data_offsets: [from, to],
        },
      ]) => {
        const name = rename(old);
        const data = bytes.subarray(begin + from, begin + to);
        const names = copies[name] === undefined ? [name] : [name, copies[name]];
        return names.map((each) => ({ plan: { name: each, type: dtype, shape }, data }));
      },
    );
    const [plans, data] = [tensors.map(({ plan }) => plan), tensors.map(({ data: values }) => values)];
    renamed.set(fileName, encodeSafetensors(plans, data));
  }
  if (folder.files.has(INDEX)) {
    const index = folder.json(INDEX);
    const map = Object.entries(index["weight_map"] as Record<string, string>).map(([name, file]) => [rename(name), file]);
    // The digests there were are of other bytes.
    renamed.set(INDEX, JSON.stringify({ weight_map: Object.fromEntries(map) as Record<string, string> }));
  }
  return renamed;
}
