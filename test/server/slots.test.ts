import { suite } from "uvu";
import * as assert from "uvu/assert";
import { loadModel } from "../../src/core.ts";
import { nodeHost } from "../../src/host/node.ts";
import type { SlotStore } from "../../src/server.ts";
import { tinyModel } from "../tiny-model.ts";
import { clientOf, loadTiny, type Reply, SEED } from "./serving.ts";

const test = suite(`/slots (seed ${SEED})`);
const model = await loadTiny();
/** Another process, some day: the same model with an empty cache. */
const again = await loadTiny();
const other = await loadModel({ kind: "folder", folder: tinyModel(SEED + 1) }, nodeHost, { threads: 1, contextSize: 256 });
test.after(async () => {
  for (const loaded of [model, again, other]) await loaded.dispose();
});

class Shelf implements SlotStore {
  readonly files = new Map<string, Uint8Array>();

  async write(name: string, bytes: Uint8Array): Promise<void> {
    this.files.set(name, bytes);
  }

  async read(name: string): Promise<Uint8Array | undefined> {
    return this.files.get(name);
  }
}

const shelf = new Shelf();
const server = clientOf(model, { parallel: 3, slots: shelf });
const PROMPT = "the cat sat on the mat ".repeat(8);
const ask = (client: typeof server, prompt: string, id_slot?: number): Promise<Reply> =>
  client.post("/v1/completions", { prompt, id_slot, temperature: 0, max_tokens: 10, ignore_eos: true });
const act = (client: typeof server, id: number | string, action: string, filename?: unknown): Promise<Reply> =>
  client.post(`/slots/${id}?action=${action}`, filename === undefined ? {} : { filename });

test("a slot is saved, erased, and restored in another process, which then has what was computed", async () => {
  const { json: first } = await ask(server, PROMPT, 1);
  const tokens = first.usage.total_tokens;
  const saved = await act(server, 1, "save", "cat.bin");
  assert.is(saved.status, 200, saved.text);
  const { n_written, timings, ...rest } = saved.json;
  assert.equal(rest, { id_slot: 1, filename: "cat.bin", n_saved: tokens });
  assert.is(n_written, shelf.files.get("cat.bin")!.length);
  assert.ok(timings.save_ms > 0);
  assert.equal((await act(server, 1, "erase")).json, { id_slot: 1, n_erased: tokens });
  assert.is((await act(server, 1, "save", "cat.bin")).status, 400);

  const elsewhere = clientOf(again, { slots: shelf });
  const restored = await act(elsewhere, 2, "restore", "cat.bin");
  assert.is(restored.json.n_restored, tokens);
  assert.is(restored.json.n_read, n_written);
  const next = PROMPT + first.choices[0].text;
  const [{ json: there }, { json: here }] = [await ask(elsewhere, next), await ask(server, next)];
  assert.is(there.choices[0].text, here.choices[0].text);
  const { cached_tokens } = there.usage.prompt_tokens_details;
  assert.ok(cached_tokens >= 64 && cached_tokens > there.usage.prompt_tokens - 64, `${cached_tokens} cached`);
});

test("slots remember the last text that was answered in them; one that begins alike goes there again", async () => {
  const client = clientOf(model, { parallel: 3, slots: new Shelf() });
  const remembered = async () => (await client.get("/slots")).json.map(({ n_past }: { n_past: number }) => n_past);
  assert.equal(await remembered(), [0, 0, 0]);
  const lengths = [];
  for (const prompt of ["one of the hens", "the red ball"]) lengths.push((await ask(client, prompt)).json.usage.total_tokens);
  assert.equal(await remembered(), [...lengths, 0]);
  const longer = (await ask(client, "one of the hens in the garden")).json.usage.total_tokens;
  assert.equal(await remembered(), [longer, lengths[1], 0]);
  const [first] = (await client.get("/slots")).json;
  assert.equal(first, { id: 0, n_ctx: model.forwardPass.contextSize, is_processing: false, n_past: longer });
  for (const id of [0, 1, 2]) await act(client, id, "erase");
});

test("what slots remember is in nobody's way", async () => {
  const client = clientOf(model, { parallel: 8, slots: new Shelf() });
  const prompts = Array.from({ length: 24 }, (_, i) => `${i} ${"the dog ran to the house ".repeat(12)}`);
  const replies = await Promise.all(prompts.map((prompt) => ask(client, prompt)));
  for (const [i, { json }] of replies.entries()) {
    const { text } = await model.generate(prompts[i]!, { temperature: 0, maxTokens: 10, ignoreEos: true }).result;
    assert.is(json.choices[0].text, text);
  }
});

const NAMES = [
  "../cat.bin", "a/b", "a\\b", "/etc/passwd", "..", ".", "", ".hidden", "-x", "a b", "cat.bin.", "a\u0000b", "nul", "COM1.bin",
  "é", "x".repeat(129), 5, null,
]; // prettier-ignore

test("names that are more than a name are refused, whatever is asked", async () => {
  for (const name of NAMES) {
    for (const action of ["save", "restore"]) {
      const { status, json } = await act(server, 0, action, name);
      assert.is(status, 400, JSON.stringify(name));
      assert.is(json.error.param, "filename");
    }
  }
  assert.equal([...shelf.files.keys()], ["cat.bin"]);
});

test("slots, actions and files that do not exist, and files of another model, are refused", async () => {
  const bytes = shelf.files.get("cat.bin")!;
  shelf.files.set(
    "changed.bin",
    Uint8Array.from(bytes, (byte, i) => (i === 500 ? byte ^ 1 : byte)),
  );
  shelf.files.set("short.bin", bytes.subarray(0, 900));
  const strange = clientOf(other, { slots: shelf });
  const cases: [Reply, string, RegExp][] = [
    [await act(server, 3, "erase"), "id_slot", /got 3, need 0 to 2/],
    [await act(server, "x", "erase"), "id_slot", /need the number of a slot/],
    [await act(server, 0, "burn"), "action", /save/],
    [await act(server, 0, "restore", "dog.bin"), "filename", /got "dog.bin"/],
    [await act(server, 0, "restore", "changed.bin"), "filename", /SHA-256/],
    [await act(server, 0, "restore", "short.bin"), "filename", /need/],
    [await act(strange, 0, "restore", "cat.bin"), "filename", /another one is loaded/],
    [await ask(server, "the", 3), "id_slot", /got 3/],
  ];
  for (const [{ status, json }, param, message] of cases) {
    assert.is(status, 400, JSON.stringify(json));
    assert.is(json.error.param, param);
    assert.match(json.error.message, message);
  }
});

test("without a place to save them there are none", async () => {
  const plain = clientOf(model);
  for (const reply of [await plain.get("/slots"), await act(plain, 0, "save", "cat.bin")]) {
    assert.is(reply.status, 400);
    assert.is(reply.json.error.code, "not_supported");
  }
  assert.is((await ask(plain, "the", 7)).status, 200);
});

test.run();
