/**
 * Chooses the build of the kernels that a process runs: the one whose dot product is the fastest here
 * (`dot-probe.ts`), of those that compute what they should (`self-test.ts`).
 */
import { CapabilityError } from "../errors.ts";
import type { Host } from "../host/host.ts";
import { type Ranking, rankBuilds } from "./dot-probe.ts";
import { type BuildName, filesOf, kernelBuild } from "./kernel-build.ts";
import { passesSelfTest } from "./self-test.ts";

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
 * @throws CapabilityError if a build is asked for that is missing or computes wrong values
 */
export async function chooseKernels(host: Host, shared: boolean, asked: BuildName | "auto" = "auto"): Promise<ChosenKernels> {
  if (asked !== "auto") return { modules: await askedFor(host, shared, asked), build: asked, reason: "asked for" };
  const { builds, reason } = (await rankingOn(host)) ?? UNRANKED;
  for (const build of builds) {
    if (build === "simd128") break;
    const modules = await modulesOf(host, shared, build).catch(() => undefined);
    if (modules && passesSelfTest(modules, shared)) return { modules, build, reason };
  }
  return { modules: await modulesOf(host, shared, "simd128"), build: "simd128", reason };
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

async function askedFor(host: Host, shared: boolean, build: BuildName): Promise<readonly WebAssembly.Module[]> {
  const asked = `build: ${build} is asked for, and ${host.name} ${host.version}`;
  let modules;
  try {
    modules = await modulesOf(host, shared, build);
  } catch (cause) {
    if (build === "simd128") throw cause;
    throw new CapabilityError(`${asked} cannot load it`, { cause });
  }
  if (build !== "simd128" && !passesSelfTest(modules, shared)) throw new CapabilityError(`${asked} computes it wrongly`);
  return modules;
}

/** The modules of a build, whether they compute rightly or not. */
export function modulesOf(host: Host, shared: boolean, build: BuildName): Promise<WebAssembly.Module[]> {
  return Promise.all(filesOf(build).map((file) => host.kernelModule(kernelBuild(file, shared))));
}
