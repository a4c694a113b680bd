/** Bundles of the suite with the built package, made the way a user's own bundler would. */
import { readFileSync } from "node:fs";
import { build, type BuildOptions, type Metafile } from "esbuild";

const entry = (name: string) => new URL(`entries/${name}.ts`, import.meta.url).pathname;

const SHARED = {
  bundle: true,
  format: "esm",
  target: "es2023",
  metafile: true,
  logLevel: "warning",
  // Without the repository's own settings, `fptq` is the package as its `exports` say, not its sources.
  tsconfigRaw: {},
} satisfies BuildOptions;

/** For runtimes that find packages themselves: only the suite is bundled, `fptq` stays an import. */
export async function bundleForServers(directory: string): Promise<void> {
  const entryPoints = { core: entry("core"), package: entry("package") };
  await build({ ...SHARED, entryPoints, outdir: directory, platform: "node", external: ["fptq", "fptq/*"] });
}

/**
 * For workerd and pages: everything in one file, kernels beside it.
 *
 * @returns what these files still import, which the place they run in has to supply
 */
export async function bundleForWeb(directory: string): Promise<{ imports: string[]; bytes: number }> {
  const result = await build({
    ...SHARED,
    entryPoints: { workerd: entry("workerd"), page: entry("page") },
    outdir: directory,
    platform: "browser",
    // As wrangler does with `.wasm`: the file is put beside the bundle, and the import points there.
    nodePaths: [`${directory}/node_modules`],
    loader: { ".wasm": "copy" },
    assetNames: "[name]",
  });
  return { imports: outsideImports(result.metafile), bytes: readFileSync(`${directory}/page.js`).length };
}

function outsideImports({ outputs }: Metafile): string[] {
  const imports = Object.values(outputs).flatMap((output) => output.imports);
  return [...new Set(imports.filter(({ external }) => external).map(({ path }) => path))];
}
