/**
 * Chooses the build of the kernels that a process runs: the one whose dot product is the fastest here
 * (`dot-probe.ts`), of those that compute what they should (`self-test.ts`).
 */
import { CapabilityError } from "../errors.ts";
import type { Host } from "../host/host.ts";
import { type Ranking, rankBuilds } from "./dot-probe.ts";
import { type BuildName, filesOf, kernelBuild } from "./kernel-build.ts";
import { passesSelfTest } from "./self-test.ts";
import { keptPassesSelfTest } from "./self-test-kept.ts";

export interface ChosenKernels {
  /** Used over one memory; of kernels with one name the last module's run. */
  readonly modules: readonly WebAssembly.Module[];
  readonly build: BuildName;
  /** Why this one, in a sentence. */
  readonly reason: string;
}

/**
 * The kernels to run: those asked for, or with "auto" the fastest that the host has and that pass the
 * self-test.
 *
 * @param keepsWeights whether kernels for weights as a file has them are needed too; they pass one of their
 *   own
 * @throws CapabilityError if a build is asked for that is missing or computes wrong values
 */
export async function chooseKernels(
  host: Host,
  shared: boolean,
  asked: BuildName | "auto" = "auto",
  keepsWeights = false,
): Promise<ChosenKernels> {
  if (asked !== "auto") {
    return { modules: await askedFor(host, shared, asked, keepsWeights), build: asked, reason: "asked for" };
  }
  const { builds, reason } = (await rankingOn(host)) ?? UNRANKED;
  for (const build of builds) {
    if (build === "simd128") break;
    const modules = await modulesOf(host, shared, build, keepsWeights).catch(() => undefined);
    if (modules && passes(build, modules, shared, keepsWeights)) return { modules, build, reason };
  }
  return { modules: await modulesOf(host, shared, "simd128", keepsWeights), build: "simd128", reason };
}

/** @param keepsWeights whether those of kept weights are among the modules */
function passes(build: BuildName, modules: readonly WebAssembly.Module[], shared: boolean, keepsWeights: boolean): boolean {
  const own = modules.slice(0, filesOf(build).length);
  return passesSelfTest(own, shared) && (!keepsWeights || keptPassesSelfTest(modules, shared));
}

/** Whoever gives kernels of their own may give just the two whole builds. */
const UNRANKED: Omit<Ranking, "operand"> = {
  builds: ["relaxed", "simd128"],
  reason: "not measured: fptq-probe.wasm is missing, or this engine has no relaxed SIMD",
};

/** What the host's engine makes of the relaxed dot; undefined if it has none, or the host no probe. */
export async function rankingOn(host: Host): Promise<Ranking | undefined> {
  const probe = await host.kernelModule("probe").catch(() => undefined);
  return probe && rankBuilds(probe);
}

async function askedFor(
  host: Host,
  shared: boolean,
  build: BuildName,
  keepsWeights: boolean,
): Promise<readonly WebAssembly.Module[]> {
  const asked = `build: ${build} is asked for, and ${host.name} ${host.version}`;
  let modules;
  try {
    modules = await modulesOf(host, shared, build, keepsWeights);
  } catch (cause) {
    if (build === "simd128") throw cause;
    throw new CapabilityError(`${asked} cannot load it`, { cause });
  }
  if (build !== "simd128" && !passes(build, modules, shared, keepsWeights))
    throw new CapabilityError(`${asked} computes it wrongly`);
  return modules;
}

/** The modules of a build, whether they compute rightly or not. */
export function modulesOf(host: Host, shared: boolean, build: BuildName, keepsWeights = false): Promise<WebAssembly.Module[]> {
  return Promise.all(filesOf(build, keepsWeights).map((file) => host.kernelModule(kernelBuild(file, shared))));
}
