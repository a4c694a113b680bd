// What the twins of linear layers do with a sum over groups.

/** y[m, n] = sum * scales[m] + bias[n], each step rounded; a bias of 0: none. */
export function storeOutput(y: usize, m: i32, n: i32, N: i32, sum: f32, scales: usize, bias: usize): void {
  let value: f32 = sum * load<f32>(scales + <usize>m * 4);
  if (bias != 0) value += load<f32>(bias + <usize>n * 4);
  store<f32>(y + <usize>(m * N + n) * 4, value);
}
