/** Twin of `../elementwise/plain-activation.ts`. */
import { gelu, geluTanh, relu } from "./gelu";

export function gelu_f32(x: usize, y: usize, F: i32, stride: i32, begin: i32, end: i32): void {
  for (let m = begin; m < end; m++) {
    for (let f = 0; f < F; f++) {
      store<f32>(y + ((<usize>(m * F + f)) << 2), gelu(load<f32>(x + ((<usize>(m * stride + f)) << 2))));
    }
  }
}

export function gelu_tanh_f32(x: usize, y: usize, F: i32, stride: i32, begin: i32, end: i32): void {
  for (let m = begin; m < end; m++) {
    for (let f = 0; f < F; f++) {
      store<f32>(y + ((<usize>(m * F + f)) << 2), geluTanh(load<f32>(x + ((<usize>(m * stride + f)) << 2))));
    }
  }
}

export function relu_f32(x: usize, y: usize, F: i32, stride: i32, begin: i32, end: i32): void {
  for (let m = begin; m < end; m++) {
    for (let f = 0; f < F; f++) {
      store<f32>(y + ((<usize>(m * F + f)) << 2), relu(load<f32>(x + ((<usize>(m * stride + f)) << 2))));
    }
  }
}
