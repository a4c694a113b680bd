import { defineConfig } from "vite";
import { EMBEDDED, site } from "./site.ts";

export default defineConfig(site({ model: process.env["FPTQ_PLAYGROUND_MODEL"] ?? EMBEDDED }));
