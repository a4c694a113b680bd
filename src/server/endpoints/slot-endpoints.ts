/** `/slots`: what slots remember, saved to the server's store, restored from it, erased. */
import type { Context } from "hono";
import type { LanguageModel } from "../../decoding/language-model.ts";
import { FptqError } from "../../errors.ts";
import { ApiError } from "../api-error.ts";
import { parseBody, parseFields } from "../requests/parse.ts";
import { slotActionSchema, slotSchema } from "../requests/slot-request.ts";
import type { Slots } from "../slots.ts";
import { type Receiving, Visit } from "../visit.ts";

export interface SlotServer extends Receiving {
  readonly model: LanguageModel;
  readonly slots: Slots | undefined;
}

export function listSlots(c: Context, { model, slots }: SlotServer): Response {
  const list = existing(slots).list();
  const n_ctx = model.forwardPass.contextSize;
  return c.json(list.map(({ id, tokens, isRunning }) => ({ id, n_ctx, is_processing: isRunning, n_past: tokens })));
}

export async function changeSlot(c: Context, server: SlotServer): Promise<Response> {
  const slots = existing(server.slots);
  const asked = parseFields({ id: c.req.param("id"), action: c.req.query("action") }, slotActionSchema, { id: "id_slot" });
  const { action } = asked;
  const id = Number(asked.id);
  slots.check(id);
  if (action === "erase") return c.json({ id_slot: id, n_erased: slots.put(id, undefined) });
  const { filename } = await parseBody(c, slotSchema);
  const visit = new Visit(c, server);
  return c.json(await visit.inTurn(() => (action === "save" ? save : restore)({ ...server, slots }, id, filename)));
}

type Having = SlotServer & { readonly slots: Slots };

async function save({ slots }: Having, id: number, filename: string): Promise<object> {
  const began = performance.now();
  using sequence = slots.copy(id);
  if (!sequence) throw new ApiError(400, `id_slot: got ${id}, need a slot that something was answered in`, { param: "id_slot" });
  const bytes = await sequence.save();
  await slots.store.write(filename, bytes);
  const timings = { save_ms: performance.now() - began };
  return { id_slot: id, filename, n_saved: sequence.tokens.length, n_written: bytes.length, timings };
}

async function restore({ slots, model }: Having, id: number, filename: string): Promise<object> {
  const began = performance.now();
  // A file that is larger than the whole cache is none of this model's.
  const most = model.memory().kvCache + 4 * model.forwardPass.contextSize + 65_536;
  const refuse = (what: string) => new ApiError(400, `filename: ${what}`, { param: "filename" });
  const sequence = model.createSequence();
  let read: number;
  try {
    const bytes = await slots.store.read(filename, most);
    if (!bytes) throw refuse(`got "${filename}", need the name of a slot that was saved`);
    await sequence.restore(bytes);
    read = bytes.length;
  } catch (error) {
    sequence.dispose();
    throw error instanceof FptqError ? refuse(error.message) : error;
  }
  slots.put(id, sequence);
  const timings = { restore_ms: performance.now() - began };
  return { id_slot: id, filename, n_restored: sequence.tokens.length, n_read: read, timings };
}

function existing(slots: Slots | undefined): Slots {
  if (slots) return slots;
  throw new ApiError(400, "slots: got a server without a place to save them, need one that was given one", {
    code: "not_supported",
  });
}
