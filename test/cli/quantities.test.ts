import { suite } from "uvu";
import * as assert from "uvu/assert";
import { formatBytes, formatCount, formatDuration, formatSignificant } from "../../src/cli/quantities.ts";
import { alignPoints, formatFields, formatTable } from "../../src/cli/table.ts";

const test = suite("quantities and tables");

test("bytes, counts and durations", () => {
  assert.equal([0, 1023, 1024, 98_362_432, 3 * 2 ** 30].map(formatBytes), ["0 B", "1023 B", "1.00 KiB", "93.8 MiB", "3.00 GiB"]);
  assert.equal([0, 9999, 10_000, 134_515_008, 1.236e9].map(formatCount), ["0", "9999", "10.0 k", "134.5 M", "1.24 B"]);
  assert.equal([0.0004, 0.042, 0.9994, 0.9996, 9.94, 41.25, 99.5, 125, 3725].map(formatDuration), ["0.4 ms", "42 ms", "999 ms", "1.00 s", "9.94 s", "41.3 s", "1 min 40 s", "2 min 05 s", "1 h 02 min"]); // prettier-ignore
});

test("three significant digits", () => {
  assert.equal(
    [0, 0.012345, 1, 31.62, 999.6, 3384.7, 1.23e-7, -2.5, NaN].map((value) => formatSignificant(value)),
    ["0", "0.0123", "1.00", "31.6", "1000", "3385", "1.23e-7", "-2.50", "NaN"],
  );
});

test("a table is plain columns, numbers to the right, nothing after a line's end", () => {
  const table = formatTable([{ head: "name" }, { head: "n", align: "right" }, { head: "policy" }], [["a", "1", "static"], ["long name", "123", ""]]); // prettier-ignore
  assert.equal(table.split("\n"), ["name         n  policy", "a            1  static", "long name  123"]);
  assert.is(formatFields([["a", "1"], ["long", "2"]]), "a     1\nlong  2"); // prettier-ignore
});

test("numbers with their points below each other", () => {
  assert.equal(alignPoints(["1.25", "10", "0.5"]), ["1.25", "10   ", "0.5 "]);
  assert.equal(alignPoints(["1", "10"]), ["1", "10"]);
});

test("values are wrapped within the columns of a terminal", () => {
  assert.is(formatFields([["a", "one two three"]], 10), "a  one two\n   three");
});

test.run();
