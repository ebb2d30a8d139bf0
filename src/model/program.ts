/**
 * What a model hands to whoever runs it: the ONNX bytes of one graph and the names, shapes and dtypes at its edge.
 * The trainer, the evaluator and the exporter know models through this interface alone.
 */

export type EdgeType = 'float32' | 'int32' | 'int64' | 'bool' | 'uint8';

export interface Edge {
  name: string;
  dtype: EdgeType;
  shape: number[];
}

/** How a parameter starts, keyed by the paper's own rule; `std` and `bound` are in the units of the weight. */
export type Init =
  | { kind: 'zeros' }
  | { kind: 'ones' }
  | { kind: 'normal'; std: number }
  | { kind: 'truncated-normal'; std: number }
  | { kind: 'uniform'; bound: number }
  | { kind: 'constant'; values: number[] };

/** A trainable tensor (float32). Its name is the Hugging Face name, so that a checkpoint of ours is theirs. */
export interface Parameter {
  name: string;
  shape: number[];
  init: Init;
  /** Weight decay applies (ndim >= 2 by default). */
  decay: boolean;
  /** Not trained: no backward is built for it. */
  frozen?: boolean;
  /** Stored with the weights but never trained (Marian's `final_logits_bias`); always frozen. */
  buffer?: boolean;
}

/**
 * One loss term: `output` is a scalar float32 output, the SUM over items of the term times the scalar input `scale`.
 * With scale = 1 / (items in the whole accumulated batch), micro-batch losses and gradients simply add up,
 * whatever the rows' lengths. `count` names the scalar float32 output with the number of items of this batch.
 */
export interface LossTerm {
  name: string;
  output: string;
  scale: string;
  count: string;
  /** The batch input whose entries that are not negative are the items counted. */
  labels?: string;
  /** Factor already in `output` (lambda of GPT's fine-tuning objective, say); 1 when absent. */
  weight?: number;
  /** Scalar float32 output: how many of the counted items the model got right; in evaluation programs. */
  correct?: string;
}

/** A random mask wanted as an input at each step: float32 of `shape`, 0 with probability p, else 1 / (1 - p). */
export interface DropoutMask {
  name: string;
  shape: number[];
  p: number;
}

/** One graph and the names, shapes and dtypes at its edge. */
export interface Program {
  onnx: Uint8Array;
  /** Batch inputs, parameters and scales and dropout masks not counted. */
  inputs: Edge[];
  /** Graph inputs of the parameter's own name, in the order of the model's parameter list. */
  parameters: Parameter[];
  /** Scalar float32 inputs (shape []), one a loss term. */
  losses: LossTerm[];
  dropout: DropoutMask[];
  /** Everything the graph puts out: losses, counts, whatever was asked for (logits, attention), and gradients. */
  outputs: Edge[];
  /** Empty in a forward-only program. `output` has the parameter's shape and dtype float32. */
  gradients: { parameter: string; output: string }[];
  /**
   * With AdamW in the graph: each float32 input that an output takes the place of, weights first under their parameters'
   * names, then moments (`exp_avg.*`, `exp_avg_sq.*`; zeros at first). Both may be one buffer: nothing reads an input after
   * its output is written. Four more scalar float32 inputs (shape []): `optimizer.lr`, `optimizer.correction1`
   * = 1 - beta1^t and `optimizer.correction2` = sqrt(1 - beta2^t) with t from 1, `optimizer.max_norm` (infinity: no clipping).
   * `grad_norm` is put out.
   */
  updates?: { input: string; output: string; shape: number[] }[];
  /** With `updates`: a graph that puts those inputs out unchanged, as `host.<name>`; how they come back from a device. */
  copier?: Uint8Array;
  /** Floating-point operations of all matrix products in one run, forward and backward. */
  flops?: number;
  /** Estimate of the intermediate tensors' bytes alive at once (graph/cost.ts). */
  activationBytes?: number;
}
