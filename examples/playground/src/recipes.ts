/**
 * Recipes worth trying in a page: the library's presets that leave a model this page can run, with what they
 * cost.
 */
export const RECIPES = [
  { name: "fptq", label: "fptq, the paper's" },
  { name: "fptq-best", label: "fptq-best, slow, most accurate" },
  { name: "smoothquant", label: "SmoothQuant, 8-bit weights" },
  { name: "rtn", label: "round to nearest" },
] as const;
