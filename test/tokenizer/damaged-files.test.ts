/** Whatever is in a tokenizer.json, errors are typed, and what loads encodes and decodes. */
import { readFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CheckpointError, OptionError, UnsupportedModelError } from "../../src/errors.ts";
import { Tokenizer } from "../../src/tokenizer/tokenizer.ts";
import { mulberry32 } from "../random.ts";

const SEED = 31;
const ROUNDS = 3000;
const test = suite(`damaged tokenizer.json (seed ${SEED})`);
const random = mulberry32(SEED);
const pick = <T>(choices: readonly T[]): T => choices[Math.floor(random() * choices.length)]!;

type Json = Record<string, unknown>;
const golden = JSON.parse(readFileSync(new URL("golden/encodings.json", import.meta.url), "utf8")) as {
  readonly texts: readonly string[];
  readonly cases: readonly { readonly json: Json }[];
};

const VALUES: readonly unknown[] = [
  null, true, false, 0, -1, 1.5, 2 ** 31, 1e300, "", "a", "\u2581", "\ud800", "[", "(a+)+$", "\\", "constructor", "__proto__",
  [], {}, [[]], [null], { type: "Sequence" }, { Regex: "(" }, { String: "" }, { Regex: ".*" }, { SpecialToken: {} }, "x".repeat(2000),
]; // prettier-ignore

/** Replaces, removes or repeats one random part. */
function damage(value: unknown): void {
  const places: [container: Json, key: string][] = [];
  const visit = (inner: unknown): void => {
    if (typeof inner !== "object" || inner === null) return;
    for (const key of Object.keys(inner)) {
      places.push([inner as Json, key]);
      visit((inner as Json)[key]);
    }
  };
  visit(value);
  const [container, key] = pick(places);
  const how = random();
  if (how < 0.2) delete container[key];
  else if (how < 0.3) container[key] = [container[key], container[key]];
  else if (how < 0.4) container[pick(places)[1]] = container[key];
  else container[key] = structuredClone(pick(VALUES));
}

test(`${ROUNDS} damaged files`, () => {
  const model = {
    vocab: { a: 0, b: 1, "\u2581": 2, ab: 3, "\u2581a": 4, "<unk>": 5, "\u0120": 6 },
    merges: [["a", "b"], "\u2581 a"],
  };
  const count = { refused: 0, loaded: 0 };
  for (let round = 0; round < ROUNDS; round++) {
    const { json } = pick(golden.cases);
    const damaged = structuredClone({ ...json, model: { ...(json["model"] as Json), ...model } });
    for (let i = 0; i <= random() * 2; i++) damage(damaged);
    const config = { bos_token: pick<unknown>(["a", null, {}, { content: 1 }]), eos_token: pick(VALUES) };
    try {
      const tokenizer = new Tokenizer(
        { tokenizerJson: JSON.parse(JSON.stringify(damaged)) as Json, tokenizerConfig: config as Json },
        "damaged",
      );
      for (let i = 0; i < 3; i++) {
        const ids = tokenizer.encode(pick(golden.texts), { parseSpecial: random() < 0.5 });
        assert.ok(ids.every((id) => Number.isInteger(id) && id >= 0 && id < tokenizer.vocabSize));
        tokenizer.decode(ids);
      }
      count.loaded++;
    } catch (error) {
      const isTyped = [CheckpointError, UnsupportedModelError].some((kind) => error instanceof kind);
      assert.ok(isTyped && !(error instanceof OptionError), `${String((error as Error).stack)}\n${JSON.stringify(damaged)}`);
      assert.match((error as Error).message, /^damaged: tokenizer\.json: .*got .*, need /s);
      count.refused++;
    }
  }
  assert.ok(count.loaded > ROUNDS / 10 && count.refused > ROUNDS / 10, JSON.stringify(count));
});

test.run();
