/**
 * A model of one node: MatMulNBits (onnxruntime `docs/ContribOperators.md`), Y[M, N] = A[M, K] *
 * dequantize(B)^T, 4-bit weights with a scale per block, `accuracy_level` 4: the input is quantized to int8,
 * as here.
 */
import protobuf from "protobufjs";

/** As much of `onnx.proto` as the model needs. */
const { root } = protobuf.parse(`
  syntax = "proto2";
  message Attribute { optional string name = 1; optional int64 i = 3; optional int32 type = 20; }
  message Node { repeated string input = 1; repeated string output = 2; optional string op_type = 4; repeated Attribute attribute = 5; optional string domain = 7; }
  message Tensor { repeated int64 dims = 1; optional int32 data_type = 2; optional string name = 8; optional bytes raw_data = 9; }
  message Dimension { optional int64 dim_value = 1; optional string dim_param = 2; }
  message Shape { repeated Dimension dim = 1; }
  message TensorType { optional int32 elem_type = 1; optional Shape shape = 2; }
  message Type { optional TensorType tensor_type = 1; }
  message ValueInfo { optional string name = 1; optional Type type = 2; }
  message Graph { repeated Node node = 1; optional string name = 2; repeated Tensor initializer = 5; repeated ValueInfo input = 11; repeated ValueInfo output = 12; }
  message OperatorSet { optional string domain = 1; optional int64 version = 2; }
  message Model { optional int64 ir_version = 1; optional Graph graph = 7; repeated OperatorSet opset_import = 8; }
`);

const FLOAT = 1;
const UINT8 = 2;
const INTEGER_ATTRIBUTE = 2;

/** [M, columns] */
const rows = (columns: number) => ({ dim: [{ dimParam: "M" }, { dimValue: columns }] });

export function matMulNBits({ N, K, G }: { N: number; K: number; G: number }): Uint8Array {
  const blocks = K / G;
  const weights = Uint8Array.from({ length: (N * K) / 2 }, (_, i) => i * 97);
  const scales = new Float32Array(N * blocks).fill(0.01);
  const attributes = { K, N, bits: 4, block_size: G, accuracy_level: 4 };
  const value = (name: string, columns: number) => ({ name, type: { tensorType: { elemType: FLOAT, shape: rows(columns) } } });
  const Model = root.lookupType("Model");
  return Model.encode(
    Model.fromObject({
      irVersion: 10,
      opsetImport: [{ domain: "", version: 21 }, { domain: "com.microsoft", version: 1 }], // prettier-ignore
      graph: {
        name: "layer",
        node: [
          {
            opType: "MatMulNBits",
            domain: "com.microsoft",
            input: ["A", "B", "scales"],
            output: ["Y"],
            attribute: Object.entries(attributes).map(([name, i]) => ({ name, i, type: INTEGER_ATTRIBUTE })),
          },
        ],
        initializer: [
          { name: "B", dataType: UINT8, dims: [N, blocks, G / 2], rawData: weights },
          { name: "scales", dataType: FLOAT, dims: [N * blocks], rawData: new Uint8Array(scales.buffer) },
        ],
        input: [value("A", K)],
        output: [value("Y", N)],
      },
    }),
  ).finish();
}
