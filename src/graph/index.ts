/** Tensor graphs: build one from ops, differentiate it, write it as ONNX. docs/autodiff.md shows how. */

export { type AdamWGraphOptions, type AdamWScalars, adamw, adamwScalars, type Replaced, update } from './adamw.ts';
export { type GradientOptions, gradients } from './autodiff.ts';
export * from './composites.ts';
export { activationBytes, matmulFlops } from './cost.ts';
export { after } from './gate.ts';
export { attention as fusedAttention, fitsAttention, type HeadSettings } from './native.ts';
export { type OnnxOptions, writeOnnx } from './onnx.ts';
export * from './ops.ts';
export { checkpoint } from './passes/checkpoint.ts';
export { mixedPrecision, type PrecisionOptions } from './passes/precision.ts';
export { ownProducts } from './passes/products.ts';
export type { Rule } from './rules/index.ts';
export { product } from './shapes.ts';
export { type Attributes, type Dim, type DType, Graph, type Node, type Shape, Value } from './value.ts';
