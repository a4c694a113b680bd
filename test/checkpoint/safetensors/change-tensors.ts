/** The tiny model with other tensors. */
import { encodeSafetensors } from "../../../src/checkpoint/safetensors/safetensors-layout.ts";
import { tinyModel } from "../../tiny-model.ts";

/** The tensors of a folder, changed and written again. */
export function withTensors(
  change: (tensors: Map<string, { shape: number[]; type: "F32" | "F64" | "I32"; data: ArrayBufferView }>) => void,
) {
  const folder = tinyModel(1);
  const file = folder.bytes("model.safetensors");
  const dataBegin = 8 + Number(new DataView(file.buffer).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(file.subarray(8, dataBegin))) as Record<
    string,
    { shape: number[]; data_offsets: number[] }
  >;
  const tensors = new Map(
    Object.entries(header)
      .filter(([name]) => name !== "__metadata__")
      .map(
        ([
          name,
          {
            shape,
            data_offsets: [begin, end],
          },
        ]) => [
          name,
          { shape, type: "F32" as const, data: file.subarray(dataBegin + begin!, dataBegin + end!) as ArrayBufferView },
        ],
      ),
  );
  change(tensors);
  const plans = [...tensors].map(([name, { shape, type }]) => ({ name, shape, type }));
  folder.set("model.safetensors", encodeSafetensors(plans, [...tensors.values()].map(({ data }) => data))); // prettier-ignore
  return folder;
}
