/**
 * T_r, a rotation of the residual stream, and what is computed online (FPTQuant; QuaRot and SpinQuant have
 * these two as well):
 *
 *   T_r   h' = h R: gains of norms first go into the layers behind them, since RMSNorm without a gain
 *         commutes with R; embedding e' = e R; q, k, v, gate, up, head W' = W R; o, down W' = R^T W, b' = b R
 *   T_d   x' = x B at the MLP's last layer, W' = W B, B Hadamard blocks of 2^m, the largest that divide F
 *   S_n   the inputs of o and down in units of the residual stream
 *
 * A head that is the embedding has no gain of its own to take, so there both stay as they are and the stream
 * is turned behind the one and back before the other, by Hadamard blocks of 2^m, the largest that divide E.
 */
import type { Description, LinearInput } from "../../../architecture/description.ts";
import type { Checkpoint } from "../../../checkpoint/checkpoint.ts";
import { RecipeError } from "../../../errors.ts";
import { largestPowerOfTwo } from "../../matrix/spreading-matrix.ts";
import { equalization } from "../equalize.ts";
import { hadamardBlocks, type SideMatrix, spreading } from "../side-matrix.ts";
import { joinTransforms, type ModuleTransform, type Transform } from "../transform.ts";

/**
 * @throws RecipeError naming a norm that has a gain of 0, which no layer can undo; CheckpointError;
 *   AbortError
 */
export async function residualTransform(
  checkpoint: Checkpoint,
  description: Description,
  signal?: AbortSignal,
): Promise<Transform> {
  const { config, blocks, embedding, head, finalNorm } = description;
  const { hiddenSize: E } = config;
  const isTied = head === embedding;
  if (checkpoint.pooling && !isTied) {
    throw new RecipeError(`transform "residual": ${checkpoint.name}: got a model whose states are used, need one of logits`);
  }
  const size = largestPowerOfTwo(E);
  const R = isTied ? hadamardBlocks(E, size) : spreading(E);
  const last = isTied || !head ? [] : [{ modules: [head], from: finalNorm ?? ("stream" as const) }];
  const readers = [...blocks.flatMap(({ inputs }) => inputs), ...last];
  const fused: Transform[] = [];
  for (const reader of readers) if (typeof reader.from !== "string") fused.push(await fusion(checkpoint, reader, signal));
  const turned = new Map<string, ModuleTransform>();
  for (const { from, modules } of readers) {
    for (const { name } of modules) turned.set(name, from === "attention" || from === "activation" ? writes(R) : reads(R));
  }
  if (!isTied) turned.set(embedding.name, reads(R));
  const rotation: Transform = {
    modules: turned,
    norms: new Map(),
    ...(isTied && { online: { residualHadamard: size } }),
  };
  return joinTransforms([...fused, rotation]);
}

const reads = (R: SideMatrix): ModuleTransform => ({ columnMatrices: [R] });
const writes = (R: SideMatrix): ModuleTransform => ({ rowMatrices: [R] });

/** The gain of an input's norm in the layers that read it; the norm keeps ones. */
async function fusion(
  checkpoint: Checkpoint,
  reader: Pick<LinearInput, "from" | "modules">,
  signal: AbortSignal | undefined,
): Promise<Transform> {
  const { weight } = reader.from as Exclude<LinearInput["from"], string>;
  const gain = await checkpoint.readF32(weight, { signal });
  const zero = gain.findIndex((value) => value === 0);
  if (zero >= 0) throw new RecipeError(`transform "residual": ${weight}: got 0 at element ${zero}, need gains other than 0`);
  return equalization(reader, gain);
}

export function downTransform(description: Description): Transform {
  const { ffnSize: F } = description.config;
  const size = largestPowerOfTwo(F);
  const down = description.blocks.flatMap(({ inputs }) => inputs.filter(({ name }) => name === "down"));
  const modules = down.flatMap((input) => input.modules.map(({ name }) => [name, reads(hadamardBlocks(F, size))] as const));
  return { modules: new Map(modules), norms: new Map(), online: { downHadamard: size } };
}

export const TOKEN_SCALES: Transform = { modules: new Map(), norms: new Map(), online: { residualScaling: true } };
