// The GEMV that multiplies bytes of two weights whole, for engines whose relaxed 32-bit dot takes all 8 bits
// of its second operand. Used over the memory of the relaxed build, in place of its kernel of the same name.
export { gemv_qd8_f32_qb4w_1x8c4 } from "./linear/gemv-qd8-f32-qb4w";
