import { suite } from "uvu";
import * as assert from "uvu/assert";
import { absmax, channelAbsmax, summarizeStats } from "../../../src/quantizer/calibrate/activation-stats.ts";
import { describeModel } from "../../../src/architecture/description.ts";
import { analyzeInputs, summarizeRanges } from "../../../src/quantizer/decide/analyze-inputs.ts";
import { tinyConfig } from "../../tiny-model.ts";
import { channels, statsOf } from "../calibrate/channel-stats.ts";

const test = suite("activation ranges");
const LAE = { kind: "lae", alpha: 1 } as const;
const MODEL = describeModel(tinyConfig("llama", { layers: 2 }));
const stats = statsOf([
  { qkv: [1, 6, 2], o: [0.5, 4, 1], up: [2, 14, 30], down: [3, 5, 9] },
  { qkv: [0, 62, 1], o: [3, 2, 1], up: [1, 2, 3], down: [3384, 1, 2] },
]);

test("a channel's absmax is the larger of its two ends", () => {
  const lopsided = {
    min: Float32Array.of(-3, 1, -1),
    max: Float32Array.of(2, 4, -0.5),
    secondMoment: new Float64Array(3),
    tokens: 1,
  };
  assert.equal([...channelAbsmax(lopsided)], [3, 4, 1]);
  assert.is(absmax(lopsided), 4);
});

test("NaN in a channel is not lost on the way to the range", () => {
  assert.ok(Number.isNaN(absmax(channels([1, NaN, 2]))));
});

test("every input of every layer has a row, in the order data flows", () => {
  assert.equal(
    analyzeInputs(MODEL, stats, LAE).map(({ name }) => name),
    [0, 1].flatMap((layer) => ["qkv", "o", "up", "down"].map((input) => `model.layers.${layer}.${input}`)),
  );
});

// Equation 1: a channel of absmax a ends at log2(2 + a); f32 factors cost two roundings.
const within = (actual: number, expected: number) =>
  assert.ok(Math.abs(actual / expected - 1) < 2 ** -23, `${actual} against ${expected}`);

test("a row gives range, smallest and median channel, before and after equalization", () => {
  const [qkv, o] = analyzeInputs(MODEL, stats, LAE);
  assert.is(qkv!.range, 6);
  assert.is(qkv!.smallest, 1);
  assert.is(qkv!.median, 2);
  within(qkv!.equalizedRange, Math.log2(8));
  within(qkv!.equalizedSmallest, Math.log2(3));
  assert.is(o!.equalizedRange, 4, "no norm before o_proj: nothing is equalized");
  assert.equal([...o!.channelAbsmax], [0.5, 4, 1]);
});

test("without equalization the equalized range is the range", () => {
  for (const row of analyzeInputs(MODEL, stats, { kind: "none" })) assert.is(row.equalizedRange, row.range);
});

test("the summary has the columns of the paper's Tables 8 and 9", () => {
  const summary = summarizeRanges(analyzeInputs(MODEL, stats, LAE));
  assert.equal(
    summary.map(({ input, min, max }) => [input, min, max]),
    [
      ["qkv", 0, 62],
      ["o", 0.5, 4],
      ["up", 1, 30],
      ["down", 1, 3384],
    ],
  );
  assert.is(summary[0]!.equalizedMin, 0, "a channel never active stays at 0");
  assert.ok(Math.abs(summary[0]!.equalizedMax - 6) < 1e-6, "log2(2 + 62)");
  assert.is(summary[3]!.equalizedMax, 3384);
});

test("the summary of statistics survives JSON", () => {
  const summary = summarizeStats(stats);
  assert.equal(JSON.parse(JSON.stringify(summary)), summary);
  assert.is(summary.tokens, 100);
  assert.is(summary.layers[1]!.down!.absmax, 3384);
  assert.is(summary.layers[1]!.down!.min, -3384);
  assert.is(summary.layers[0]!.k!.rms, Math.sqrt((4 / 3 + 9 / 3) / 2));
});

test.run();
