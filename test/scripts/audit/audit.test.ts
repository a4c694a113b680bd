/** Licences of the real tree, and of trees that have to fail; npm's answers, kept from a run of it. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { isAllowed, licenceFailures, productionPackages } from "../../../scripts/audit/licences.ts";
import { readAdvisories, readSignatures } from "../../../scripts/audit/registry.ts";

const test = suite("audit");
const root = fileURLToPath(new URL("../../..", import.meta.url));

test("the packages that users install have licences that ask for a notice at most", () => {
  const packages = productionPackages(root);
  const names = packages.map(({ name }) => name);
  assert.ok(names.includes("commander") && names.includes("@noble/hashes"), names.join(", "));
  assert.not.ok(names.includes("esbuild"), "for development");
  assert.equal(licenceFailures(packages), []);
});

test("a package is refused for its licence, for none, and for two that differ", () => {
  const folder = mkdtempSync(join(tmpdir(), "fptq-audit-"));
  try {
    const packages = {
      "": { license: "Apache-2.0" },
      "node_modules/good": { version: "1.0.0", license: "MIT" },
      "node_modules/copyleft": { version: "2.0.0", license: "AGPL-3.0-only" },
      "node_modules/a/node_modules/@b/none": { version: "3.0.0" },
      "node_modules/tool": { version: "4.0.0", dev: true, license: "GPL-3.0" },
      "node_modules/changed": { version: "5.0.0", license: "MIT" },
      "node_modules/old": { version: "6.0.0" },
    };
    writeFileSync(join(folder, "package-lock.json"), JSON.stringify({ packages }));
    for (const [name, json] of [
      ["changed", { license: "SSPL-1.0" }],
      ["old", { licenses: [{ type: "GPL-2.0" }, { type: "MIT" }] }],
    ] as const) {
      mkdirSync(join(folder, "node_modules", name), { recursive: true });
      writeFileSync(join(folder, "node_modules", name, "package.json"), JSON.stringify(json));
    }
    const failures = licenceFailures(productionPackages(folder)).map((line) => line.replace(/, need .*/, ""));
    assert.equal(failures, [
      'copyleft 2.0.0: licence: got "AGPL-3.0-only"',
      "@b/none 3.0.0: licence: got no licence",
      'changed 5.0.0: licence: got "MIT" and "SSPL-1.0"',
    ]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

for (const [licence, allowed] of [
  ["MIT", true],
  ["(MIT OR GPL-3.0)", true],
  ["MIT AND GPL-3.0", false],
  ["(ISC AND 0BSD)", true],
  ["(MIT OR GPL-3.0) AND GPL-2.0", false],
  ["mit-ish", false],
  ["SEE LICENSE IN LICENSE", false],
  ["UNLICENSED", false],
  ["", false],
] as const) {
  test(`licence "${licence}": ${allowed ? "allowed" : "refused"}`, () => assert.is(isAllowed(licence), allowed));
}

test("signatures: passed, failed, and not offered are three things", () => {
  const state = (stdout: string, stderr = "") => readSignatures({ stdout, stderr });
  assert.is(state('{"invalid":[],"missing":[]}').state, "passed");
  const failed = state('{"invalid":[{"name":"a","version":"1.0.0"}],"missing":[{"name":"b","version":"2.0.0"}]}');
  assert.equal(failed.state, "failed");
  assert.match(failed.details.join("\n"), /^a 1\.0\.0: got another signature.*\nb 2\.0\.0: got no signature/);
  const none = state('{"error":{"code":"E404","summary":"no keys"}}', "npm error a\nnpm error b\n");
  assert.equal(none.state, "unavailable");
  assert.match(none.details.join("\n"), /offers no signatures.*\nE404\nno keys\nnpm error a\nnpm error b$/);
  assert.is(state("", "").state, "unavailable");
  assert.is(state("null").state, "unavailable");
});

test("vulnerabilities: passed, failed, and no list are three things", () => {
  const state = (stdout: string, stderr = "") => readAdvisories({ stdout, stderr }, ["a"]).state;
  assert.is(state('{"vulnerabilities":{}}'), "passed");
  assert.is(state('{"vulnerabilities":{"tool":{"severity":"high","range":"<2"}}}'), "passed", "for development");
  assert.is(state('{"vulnerabilities":{"a":{"severity":"high","range":"<2"}}}'), "failed");
  assert.is(state('{"message":"405 Method Not Allowed"}', "npm error audit endpoint returned an error"), "unavailable");
});

test.run();
