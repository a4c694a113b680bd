/** `strftime_now` against Python's `strftime` (`golden/strftime.py`), at times given rather than now. */
import { readFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { NotCarriedOut, TemplateError } from "../../src/chat-template/limits.ts";
import { strftime } from "../../src/chat-template/formats/strftime.ts";
import { Template } from "../../src/chat-template/template.ts";

const test = suite("strftime");
const { formats, times, refused } = JSON.parse(readFileSync(new URL("golden/strftime.json", import.meta.url), "utf8")) as {
  formats: string[];
  times: [time: string, texts: string[]][];
  refused: string[];
};

/** The epoch of a local time is the host's; Python's was taken in UTC. */
const local = (format: string) => /%[-_0^#]*\d*s/.test(format);

for (const [time, texts] of times) {
  test(`every directive, flag and width at ${time}`, () => {
    const date = new Date(time); // without a zone: a local time, as `now` is
    const got = formats.map((format) => strftime(new Date(local(format) ? `${time}Z` : date), format));
    const other = formats.flatMap((format, i) => (got[i] === texts[i] ? [] : [`${format}: got ${got[i]}, need ${texts[i]}`]));
    assert.equal(other, []);
  });
}

test("what is not carried out is refused by name", () => {
  assert.ok(refused.length > 10);
  for (const format of refused) {
    assert.throws(
      () => strftime(new Date(0), `%Y ${format}`),
      (error: unknown) => error instanceof NotCarriedOut && error.message.includes(`the directive ${format}`),
    );
  }
});

test("a template asks for the time when it renders", () => {
  const template = new Template("{{ strftime_now('%d %b %Y') }}");
  assert.is(
    template.render({}, () => new Date(2026, 10, 28)),
    "28 Nov 2026",
  );
  assert.is(
    template.render({}, () => new Date(2027, 0, 1)),
    "01 Jan 2027",
  );
});

test("a format has an end", () => {
  assert.throws(
    () => strftime(new Date(0), "x".repeat(5000)),
    (error: unknown) => error instanceof TemplateError,
  );
});

test.run();
