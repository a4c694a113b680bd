import type { LanguageModel } from "fptq";

export function logitsOf(model: LanguageModel): Promise<{ threads: number; build: string; hash: string }>;
