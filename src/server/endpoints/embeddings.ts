/** `/v1/embeddings`: vectors of texts. */
import type { Context } from "hono";
import { embeddingIds } from "../../decoding/embed.ts";
import type { LanguageModel } from "../../decoding/language-model.ts";
import { type Abilities, checkEmbeds } from "../abilities.ts";
import { ApiError } from "../api-error.ts";
import { checkModel } from "./completions.ts";
import { embeddingSchema, textsOf } from "../requests/embedding-request.ts";
import { parseBody } from "../requests/parse.ts";
import { type Receiving, Visit } from "../visit.ts";

export interface AbleServer extends Receiving {
  readonly model: LanguageModel;
  readonly alias: string;
  readonly abilities: Abilities;
}

export async function embedTexts(c: Context, server: AbleServer): Promise<Response> {
  const body = await parseBody(c, embeddingSchema);
  const { model, alias, abilities } = server;
  checkModel(body, alias);
  checkEmbeds(model, abilities);
  const dimensions = body.dimensions ?? undefined;
  const { hiddenSize } = model.config;
  if (dimensions !== undefined && dimensions > hiddenSize)
    throw new ApiError(400, `dimensions: got ${dimensions}, need at most ${hiddenSize}`, { param: "dimensions" });
  const ids = embeddingIds(model, textsOf(body), body.prompt_name ?? undefined);
  const visit = new Visit(c, server);
  const vectors = await visit.inTurn(() => model.embed(ids, { pooling: abilities.pooling, dimensions, signal: visit.signal }));
  const tokens = ids.reduce((sum, { length }) => sum + length, 0);
  server.metrics.promptTokens.add(tokens);
  const written = body.encoding_format === "base64" ? base64Of : (vector: Float32Array) => [...vector];
  return c.json({
    object: "list",
    data: vectors.map((vector, index) => ({ object: "embedding", index, embedding: written(vector) })),
    model: alias,
    usage: { prompt_tokens: tokens, total_tokens: tokens },
  });
}

/** Bytes of a vector, little-endian, as everything that runs WebAssembly has them. */
function base64Of({ buffer, byteOffset, byteLength }: Float32Array): string {
  return btoa(Array.from(new Uint8Array(buffer, byteOffset, byteLength), (byte) => String.fromCharCode(byte)).join(""));
}
