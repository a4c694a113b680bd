/** @type {import("next").NextConfig} */
export default {
  // The package stays in node_modules, beside its kernels and the script of its threads.
  serverExternalPackages: ["fptq"],
  // This folder alone; the repository around it has a lockfile too.
  turbopack: { root: import.meta.dirname },
};
