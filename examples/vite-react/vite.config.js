import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

// With these two a page has shared memory, and with it threads; without them it works with one thread.
const headers = { "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp" };

export default defineConfig({
  plugins: [react()],
  // Files of the model, served at the root and copied into what is built.
  publicDir: "../../models/smollm2-135m-instruct-w4a8",
  // Vite's development server would move the package away from its kernels (vite#8427).
  optimizeDeps: { exclude: ["fptq"] },
  worker: { format: "es" },
  server: { headers },
  preview: { headers },
});
