/** Weights of the linear layers behind pooling, each in a file of its own (`pooling.ts`). */
import { CheckpointError, UnsupportedModelError } from "../../errors.ts";
import { describe } from "../../json-object.ts";
import type { Folder } from "../byte-source.ts";
import { floatDecoder } from "../formats/float-formats.ts";
import { DENSE_FILES, type DenseLayer, type DenseWeights } from "../pooling.ts";
import { readSafetensorsHeader, type SafetensorsFile } from "./safetensors.ts";

/**
 * @param E channels of what the first one reads
 * @throws CheckpointError if a file is missing or damaged, or layers do not fit each other;
 *   UnsupportedModelError for an element type that is no float
 */
export async function readDense(
  folder: Folder,
  layers: readonly DenseLayer[],
  E: number,
  signal?: AbortSignal,
): Promise<DenseWeights[]> {
  const weights: DenseWeights[] = [];
  let width = E;
  for (const layer of layers) {
    if (layer.inFeatures !== width) {
      throw new CheckpointError(`${folder.name}: ${layer.folder}: in_features: got ${layer.inFeatures}, need ${width}`);
    }
    width = layer.outFeatures;
    weights.push(await readLayer(folder, layer, signal));
  }
  return weights;
}

async function readLayer(folder: Folder, layer: DenseLayer, signal: AbortSignal | undefined): Promise<DenseWeights> {
  const { inFeatures: K, outFeatures: N, bias } = layer;
  const source = await folder.open(`${layer.folder}/${DENSE_FILES.weights}`);
  try {
    const file = await readSafetensorsHeader(source, signal);
    return {
      weight: await readTensor(file, "linear.weight", [N, K], signal),
      bias: bias ? await readTensor(file, "linear.bias", [N], signal) : undefined,
    };
  } finally {
    await source.close();
  }
}

async function readTensor(
  { source, tensors }: SafetensorsFile,
  name: string,
  shape: readonly number[],
  signal: AbortSignal | undefined,
): Promise<Float32Array> {
  const tensor = tensors.get(name);
  const found = tensor && `[${tensor.shape.join(", ")}]`;
  if (!tensor || found !== `[${shape.join(", ")}]`) {
    throw new CheckpointError(`${source.name}: tensor ${name}: got ${found ?? "nothing"}, need [${shape.join(", ")}]`);
  }
  const { type, offset, bytes } = tensor;
  const decode = floatDecoder(type);
  if (!decode) {
    throw new UnsupportedModelError(`${source.name}: tensor ${name}: got element type ${describe(type)}, need F32, F16 or BF16`);
  }
  return decode(await source.read(offset, bytes, signal));
}
