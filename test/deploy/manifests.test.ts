/**
 * What `deploy/` says of the server is true of it: flags, ports, paths and metrics exist, and names in one
 * manifest are those of another.
 */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { parseAllDocuments } from "yaml";
import { fromLlamaSpelling } from "../../src/cli/arguments.ts";
import type { CommandContext } from "../../src/cli/command-context.ts";
import { createProgram } from "../../src/cli/program.ts";
import { clientOf, loadTiny } from "../server/serving.ts";

const test = suite("what is deployed");
const root = fileURLToPath(new URL("../..", import.meta.url));
const read = (path: string) => readFileSync(`${root}deploy/${path}`, "utf8");
const model = await loadTiny();
const server = clientOf(model);
test.after(() => model.dispose());

// oxlint-disable-next-line typescript/no-explicit-any -- whatever the file says; tests look into it
type Manifest = any;

/** The documents of a file by their kinds, each of which it has once. */
function manifests(path: string): Record<string, Manifest> {
  const documents = parseAllDocuments(read(path), { strict: true, uniqueKeys: true });
  assert.ok(Array.isArray(documents));
  for (const { errors, warnings } of documents) assert.equal([...errors, ...warnings], []);
  const found = documents.map((document) => document.toJS() as Manifest);
  const kinds = found.map(({ kind }) => kind as string);
  assert.is(new Set(kinds).size, kinds.length, `${path}: one of each kind`);
  return Object.fromEntries(found.map((manifest, i) => [kinds[i], manifest])) as Record<string, Manifest>;
}

/** Instructions of a Dockerfile, lines that go on joined. */
const instructions = Array.from(
  read("Dockerfile").replaceAll(/^\s*#.*\n/gm, "").replaceAll(/\\\n\s*/g, "").matchAll(/^([A-Z]+) +(.*)$/gm),
  ([, name, words]) => ({ name, words: words! }),
); // prettier-ignore
const last = (name: string): string => instructions.findLast((found) => found.name === name)!.words;
const entry = JSON.parse(last("ENTRYPOINT")) as string[];

/** What `fptq serve` makes of the words behind the image's own. */
function servedWith(words: readonly string[]): Record<string, unknown> {
  const program = createProgram({ output: { write() {}, logStream: process.stderr } } as unknown as CommandContext, "0");
  let flags: Record<string, unknown> = {};
  program.commands
    .find((command) => command.name() === "serve")!
    .action((found: Record<string, unknown>) => void (flags = found));
  program.parse(fromLlamaSpelling(program, [...entry.slice(2), ...words]), { from: "user" });
  return flags;
}

/** Where a container listens, which has to be where others look for it. */
const portOf = (container: Manifest): number => servedWith(container.args)["port"] as number;

async function checkProbe(probe: Manifest, container: Manifest): Promise<void> {
  const { path, port } = probe.httpGet;
  const named = container.ports.find(({ name, containerPort }: Manifest) => port === name || port === containerPort);
  assert.is(named?.containerPort, portOf(container));
  assert.is((await server.get(path)).status, 200);
}

test("the image starts the package's program with flags it knows, as somebody who is not root", async () => {
  const { bin, name } = JSON.parse(readFileSync(`${root}package.json`, "utf8")) as { bin: { fptq: string }; name: string };
  const workdir = last("WORKDIR");
  assert.equal(entry.slice(0, 3), ["node", `${workdir}/node_modules/${name}/${bin.fptq}`, "serve"]);
  const { port, host, model: folder } = servedWith(JSON.parse(last("CMD")) as string[]);
  assert.equal({ port: `${String(port)}`, host, folder }, { port: last("EXPOSE"), host: "0.0.0.0", folder: "/model" });
  assert.match(last("USER"), /^[1-9]\d*:[1-9]\d*$/);
  const [, url] = /fetch\('http:\/\/127\.0\.0\.1:(\d+\/\w+)'\)/.exec(last("HEALTHCHECK"))!;
  const [healthPort, path] = url!.split("/");
  assert.is(healthPort, last("EXPOSE"));
  assert.is((await server.get(`/${path}`)).status, 200);
});

test("the deployment: flags, ports, probes and mounts fit each other", async () => {
  const { Deployment } = manifests("kubernetes/fptq.yaml");
  const { containers, volumes, securityContext, terminationGracePeriodSeconds } = Deployment.spec.template.spec;
  const [container] = containers;
  assert.equal(Deployment.spec.selector.matchLabels, Deployment.spec.template.metadata.labels);
  const flags = servedWith(container.args);
  for (const name of ["startupProbe", "readinessProbe", "livenessProbe"]) await checkProbe(container[name], container);
  const mount = container.volumeMounts.find(({ mountPath }: Manifest) => mountPath === flags["model"]);
  assert.ok(volumes.some(({ name }: Manifest) => name === mount?.name));
  assert.is(`${String(securityContext.runAsUser)}:${String(securityContext.runAsGroup)}`, last("USER"));
  // Seconds before the server is told, those it gives answers, and their last words.
  assert.ok(terminationGracePeriodSeconds > container.lifecycle.preStop.sleep.seconds + 20 + 1);
  const { annotations } = Deployment.spec.template.metadata;
  assert.is(annotations["prometheus.io/port"], `${portOf(container)}`);
});

test("service, policy and scaler are about the deployment", async () => {
  const { Deployment, Service, NetworkPolicy, HorizontalPodAutoscaler } = manifests("kubernetes/fptq.yaml");
  const { labels } = Deployment.spec.template.metadata;
  const named = new Set(Deployment.spec.template.spec.containers[0].ports.map(({ name }: Manifest) => name as string));
  assert.equal(Service.spec.selector, labels);
  assert.ok(named.has(Service.spec.ports[0].targetPort));
  assert.equal(NetworkPolicy.spec.podSelector.matchLabels, labels);
  assert.ok(named.has(NetworkPolicy.spec.ingress[0].ports[0].port));
  const { kind, name, apiVersion } = HorizontalPodAutoscaler.spec.scaleTargetRef;
  assert.equal([kind, name, apiVersion], [Deployment.kind, Deployment.metadata.name, Deployment.apiVersion]);
  const { text } = await server.get("/metrics");
  for (const { pods } of HorizontalPodAutoscaler.spec.metrics) assert.match(text, new RegExp(`^${pods.metric.name} \\d`, "m"));
});

test("KServe: the service names the runtime and a format it reads, whose model lies where KServe puts it", async () => {
  const { ServingRuntime, InferenceService } = manifests("kubernetes/kserve.yaml");
  const { containers, supportedModelFormats, annotations } = ServingRuntime.spec;
  const { runtime, modelFormat } = InferenceService.spec.predictor.model;
  assert.is(runtime, ServingRuntime.metadata.name);
  assert.ok(supportedModelFormats.some(({ name }: Manifest) => name === modelFormat.name));
  const [container] = containers;
  assert.is(container.name, "kserve-container");
  assert.is(servedWith(container.args)["model"], "/mnt/models");
  await checkProbe(container.readinessProbe, container);
  assert.is(annotations["prometheus.kserve.io/port"], `${portOf(container)}`);
  assert.is((await server.get(annotations["prometheus.kserve.io/path"])).status, 200);
});

test("nginx takes bodies of the size a server does, and its servers are where the image listens", () => {
  const site = read("nginx/fptq.conf");
  const [, size] = /client_max_body_size (\d+)m;/.exec(site)!;
  const source = readFileSync(`${root}src/server/create-server.ts`, "utf8");
  assert.ok(source.includes(`const MAX_BODY_BYTES = ${size} * 2 ** 20;`));
  const ports = Array.from(site.matchAll(/^\s*server \S+:(\d+) /gm), ([, port]) => port);
  assert.is(ports.length, 3);
  assert.equal([...new Set(ports)], [last("EXPOSE")]);
});

test.run();
