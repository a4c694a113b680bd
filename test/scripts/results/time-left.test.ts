import { suite } from "uvu";
import * as assert from "uvu/assert";
import { madeWith } from "../../../scripts/results/results-file.ts";
import { ROWS } from "../../../scripts/results/rows.ts";
import { DEFAULT_SETTINGS } from "../../../scripts/results/settings.ts";
import { TimeLeft } from "../../../scripts/results/time-left.ts";
import { rowResult } from "./fixture.ts";

const test = suite("time left");

const job = (id: string) => ({
  id,
  wanted: madeWith(
    ROWS.find((row) => row.id === id)!,
    DEFAULT_SETTINGS,
  ),
});

test("what rows took before is what they take now", () => {
  const earlier = { rows: { rtn: rowResult("rtn", 1, { seconds: 40 }), fptq: rowResult("fptq", 1, { seconds: 60 }) } };
  assert.is(new TimeLeft(earlier).of([job("rtn"), job("fptq")]), 100);
});

test("a slower machine makes all that is left longer", () => {
  const left = new TimeLeft({ rows: { rtn: rowResult("rtn", 1, { seconds: 40 }), fptq: rowResult("fptq", 1, { seconds: 60 }) } });
  left.add("rtn", job("rtn").wanted, 80);
  assert.is(left.of([job("fptq")]), 120);
});

test("rows never measured: those that need Hessians and more evaluations take longer", () => {
  const left = new TimeLeft({ rows: {} });
  const of = (id: string) => left.of([job(id)]);
  assert.ok(of("gptq") > of("smoothquant") && of("smoothquant") > of("fptq-group-64"));
  assert.ok(of("rtn") > of("fptq"));
});

test.run();
