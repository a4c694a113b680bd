/** The policy over machines and texts that are made up: what it gains, and what it can lose. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { PayingDrafts } from "../../../src/decoding/drafts/draft-policy.ts";
import { PassCosts } from "../../../src/decoding/drafts/pass-costs.ts";
import { mulberry32 } from "../../random.ts";

const SEED = 47;
const test = suite(`draft policy (seed ${SEED})`);

/** Time of a pass by its rows: one thread, two threads (measured), no gain at all, and a GPU's. */
const MACHINES = {
  "one thread": (rows: number) => 7.3 * (1 + 0.7 * (rows - 1)),
  "two threads": (rows: number) => 4.9 * (1 + 0.54 * (rows - 1)),
  "nothing gained": (rows: number) => 5 * rows,
  "more than lost": (rows: number) => 5 * rows ** 1.2,
  "rows for nothing": () => 5,
} as const;

interface Text {
  /** Chance that a guess is right, in truth, and what it is thought to be. */
  readonly truth: number;
  readonly thought: number;
}

/** Time with drafts over time without, for so many tokens; and the drafts. */
function generate(costs: PassCosts, machine: (rows: number) => number, text: Text, tokens: number, random: () => number) {
  const policy = new PayingDrafts(costs);
  let [time, drafted, made] = [0, 0, 0];
  while (made < tokens) {
    const drafts = policy.length(Array.from({ length: 16 }, () => text.thought));
    assert.ok(Number.isInteger(drafts) && drafts >= 0 && drafts <= 16);
    let came = 1;
    while (came <= drafts && random() < text.truth) came++;
    const ms = machine(drafts + 1);
    policy.passed({ rows: drafts + 1, tokens: came, ms });
    time += ms;
    drafted += drafts;
    made += came;
  }
  return { ratio: time / (made * machine(1)), drafted, made };
}

for (const [name, machine] of Object.entries(MACHINES)) {
  test(`${name}: whatever is thought of a text, it costs three passes and a hundredth at most`, () => {
    const random = mulberry32(SEED);
    const costs = new PassCosts();
    for (let round = 0; round < 400; round++) {
      const text = { truth: random() * random(), thought: [0.5, 0.9, 0.99, 1][round % 4]! };
      const { ratio, made } = generate(costs, machine, text, 20 + Math.floor(random() * 400), random);
      // A number of rows that takes more than as many passes is found out by trying.
      const beyond = name === "more than lost" ? 2 : 0;
      assert.ok(ratio * made <= made * 1.01 + 3.01 + beyond, `round ${round}: ${ratio} of ${made} passes`);
    }
  });

  test(`${name}: a text that is sure to repeat itself comes as fast as the machine lets it`, () => {
    const { ratio } = generate(new PassCosts(), machine, { truth: 1, thought: 0.99 }, 2000, mulberry32(SEED));
    const possible = Math.min(1, machine(16) / (16 * machine(1)));
    assert.ok(ratio < 1.03 * possible + 0.02, `${ratio}, possible ${possible}`);
  });
}

test("nothing is drafted without hope, nor before a pass of one row is known, nor by a clock that stands still", () => {
  const costs = new PassCosts();
  const policy = new PayingDrafts(costs);
  const sure = [1, 1, 1];
  assert.is(policy.length(sure), 0);
  for (let i = 0; i < 3; i++) policy.passed({ rows: 1, tokens: 1, ms: 5 });
  assert.is(policy.length([]), 0);
  assert.is(policy.length([0.1, 0.1, 0.1]), 0);
  assert.ok(policy.length(sure) > 0);
  const still = new PayingDrafts(new PassCosts());
  for (let i = 0; i < 9; i++) still.passed({ rows: 1, tokens: 1, ms: 0 });
  assert.is(still.length(sure), 0);
});

test("drafts grow with success, end with failure, and begin again after a while", () => {
  const costs = new PassCosts();
  const policy = new PayingDrafts(costs);
  const sure = Array.from({ length: 16 }, () => 0.99);
  const lengths: number[] = [];
  for (let i = 0; i < 3; i++) policy.passed({ rows: 1, tokens: 1, ms: 5 });
  for (let i = 0; i < 40; i++) {
    const drafts = policy.length(sure);
    lengths.push(drafts);
    policy.passed({ rows: drafts + 1, tokens: drafts + 1, ms: MACHINES["two threads"](drafts + 1) });
  }
  assert.ok(lengths[0]! < 4 && lengths.at(-1)! >= 11, `${lengths}`);
  let failures = 0;
  for (let drafts = policy.length(sure); drafts > 0; drafts = policy.length(sure), failures++)
    policy.passed({ rows: drafts + 1, tokens: 1, ms: MACHINES["two threads"](drafts + 1) });
  assert.ok(failures >= 1 && failures < 10, `${failures}`);
  let passes = 0;
  for (; policy.length(sure) === 0; passes++) policy.passed({ rows: 1, tokens: 1, ms: 4.9 });
  assert.ok(passes > 10 && passes <= 300, `${passes}`);
});

test("a machine that was busy for a while is tried again", () => {
  const costs = new PassCosts();
  const random = mulberry32(SEED);
  const busy = (rows: number) => (rows === 1 ? 5 : 5 * rows * 3);
  const text = { truth: 1, thought: 0.99 };
  assert.ok(generate(costs, busy, text, 300, random).drafted < 30);
  generate(costs, MACHINES["two threads"], text, 600, random);
  const { ratio } = generate(costs, MACHINES["two threads"], text, 600, random);
  assert.ok(ratio < 0.65, `${ratio}`);
});

test.run();
