/**
 * What a form of the kernels is compiled with (`asconfig.json`). For editors; the compiler puts numbers in
 * their place, and what they exclude leaves no code behind. Each target names both, since what `options` say
 * would win over a target.
 */

/** 1: products are those of the relaxed 16-bit dot (`relaxed-i16.ts`), else 0. */
declare const DOT_I16: i32;
/**
 * The operands of the relaxed 32-bit dot that a GEMV multiplies whole bytes by (`relaxed-bytes.ts`): 0 none,
 * 1 unsigned, 2 signed.
 */
declare const RAW_BYTES: i32;
