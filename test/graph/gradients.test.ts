/** Every gradient rule against finite differences of the runtime's own forward pass, in float32-safe tolerances. */

import test from 'ava';
import * as ort from 'onnxruntime-node';
import * as g from '../../src/graph/index.ts';
import { layerNormParts, max, mean, sumOfSquares } from '../../src/graph/ops.ts';
import { type Rule, rules } from '../../src/graph/rules/index.ts';
import { maxError } from '../support/ort.ts';

interface Case {
  /** Shapes of the float inputs. */
  inputs: number[][];
  /** Values lie in +-1 around this; keeps kinks, logarithms and roots safe. */
  centre?: number;
  /** Values are spread this wide; norms of nearly equal numbers bend too much for finite differences. */
  spread?: number;
  f: (...inputs: g.Value[]) => g.Value;
}

const ints = (x: g.Value, values: number[], shape: number[]) => x.graph.constant(values, 'int32', shape);
const floats = (x: g.Value, values: number[], shape: number[]) => x.graph.constant(values, 'float32', shape);

/** One or more cases for each op that has a rule. */
const cases: Record<string, Case[]> = {
  Add: [
    { inputs: [[2, 3], [3]], f: g.add },
    {
      inputs: [
        [2, 3],
        [2, 1],
      ],
      f: g.add,
    },
  ],
  Sub: [
    {
      inputs: [
        [2, 3],
        [1, 3],
      ],
      f: g.sub,
    },
  ],
  Mul: [
    { inputs: [[2, 3], []], f: g.mul },
    {
      inputs: [
        [2, 3],
        [2, 3],
      ],
      f: g.mul,
    },
    { inputs: [[4]], f: (x) => g.mul(x, x) },
  ],
  Div: [
    {
      inputs: [
        [2, 3],
        [2, 1],
      ],
      centre: 3,
      f: g.div,
    },
  ],
  Pow: [
    { inputs: [[4]], centre: 2, f: (x) => g.pow(x, 3) },
    { inputs: [[4]], centre: 2, f: (x) => g.pow(x, 2) },
  ],
  Max: [
    { inputs: [[4], [4]], f: (a, b) => g.maximum(a, g.add(b, 3)) },
    { inputs: [[4], [4]], f: (a, b) => g.maximum(g.add(a, 3), b) },
  ],
  Min: [{ inputs: [[4], [4]], f: (a, b) => g.minimum(a, g.add(b, 3)) }],
  Where: [{ inputs: [[2, 2], [2]], f: (a, b) => g.where(g.equal(ints(a, [0, 1, 1, 0], [2, 2]), 1), a, b) }],
  Neg: [{ inputs: [[3]], f: g.neg }],
  Exp: [{ inputs: [[3]], f: g.exp }],
  Log: [{ inputs: [[3]], centre: 3, f: g.log }],
  Sqrt: [{ inputs: [[3]], centre: 3, f: g.sqrt }],
  Reciprocal: [{ inputs: [[3]], centre: 3, f: g.reciprocal }],
  Tanh: [{ inputs: [[3]], f: g.tanh }],
  Erf: [{ inputs: [[3]], f: g.erf }],
  Sigmoid: [{ inputs: [[3]], f: g.sigmoid }],
  Relu: [
    { inputs: [[3]], centre: 1.5, f: g.relu },
    { inputs: [[3]], centre: -1.5, f: g.relu },
  ],
  Cast: [{ inputs: [[3]], f: (x) => g.cast(g.cast(x, 'float64'), 'float32') }],
  Identity: [{ inputs: [[3]], f: (x) => x.graph.apply('Identity', [x], [{ shape: x.shape, dtype: x.dtype }])[0]! }],
  MatMul: [
    {
      inputs: [
        [2, 3],
        [3, 4],
      ],
      f: (a, b) => g.matmul(a, b, { alpha: 0.5 }),
    },
    {
      inputs: [
        [2, 3],
        [4, 3],
      ],
      f: (a, b) => g.matmul(a, b, { transB: true }),
    },
    {
      inputs: [
        [3, 2],
        [3, 4],
      ],
      f: (a, b) => g.matmul(a, b, { transA: true, alpha: 2 }),
    },
    {
      inputs: [
        [3, 2],
        [4, 3],
      ],
      f: (a, b) => g.matmul(a, b, { transA: true, transB: true }),
    },
    {
      inputs: [
        [2, 2, 3],
        [3, 4],
      ],
      f: (a, b) => g.matmul(a, b),
    },
    {
      inputs: [
        [2, 2, 3],
        [4, 3],
      ],
      f: (a, b) => g.matmul(a, b, { transB: true, alpha: 3 }),
    },
    {
      inputs: [
        [2, 2, 3],
        [2, 4, 3],
      ],
      f: (a, b) => g.matmul(a, b, { transB: true }),
    },
    {
      inputs: [
        [2, 2, 2, 3],
        [1, 2, 3, 2],
      ],
      f: (a, b) => g.matmul(a, b),
    },
  ],
  Reshape: [{ inputs: [[2, 3]], f: (x) => g.mul(g.reshape(x, [3, 2]), floats(x, [1, 2, 3, 4, 5, 6], [3, 2])) }],
  Transpose: [{ inputs: [[2, 3, 2]], f: (x) => g.transpose(x, [2, 0, 1]) }],
  Expand: [{ inputs: [[2, 1]], f: (x) => g.expand(x, [3, 2, 4]) }],
  Concat: [
    {
      inputs: [
        [2, 3],
        [2, 1],
      ],
      f: (a, b) => g.concat([a, b], 1),
    },
  ],
  Split: [{ inputs: [[2, 5]], f: (x) => g.split(x, 1, [2, 3])[1]! }],
  Slice: [
    { inputs: [[4, 2]], f: (x) => g.slice(x, 0, 1, 3) },
    { inputs: [[4, 2]], f: (x) => g.slice(x, 0, 0, 2) },
    { inputs: [[4, 2]], f: (x) => g.slice(x, 0, 2, 4) },
  ],
  ReduceSum: [
    { inputs: [[2, 3]], f: (x) => g.sum(x, { axes: [1] }) },
    { inputs: [[2, 3]], f: (x) => g.sum(x, { axes: [0], keep: true }) },
  ],
  ReduceMean: [{ inputs: [[2, 3]], f: (x) => mean(x, { axes: [-1] }) }],
  ReduceSumSquare: [{ inputs: [[2, 3]], f: (x) => sumOfSquares(x, { axes: [0] }) }],
  ReduceMax: [{ inputs: [[2, 3]], f: (x) => max(g.add(x, floats(x, [0, 5, 0, 9, 0, 0], [2, 3])), { axes: [1] }) }],
  Softmax: [{ inputs: [[2, 4]], f: g.softmax }],
  LogSoftmax: [{ inputs: [[2, 4]], f: g.logSoftmax }],
  Gather: [{ inputs: [[3, 2]], f: (x) => g.gather(x, ints(x, [0, 2, 2, 0], [2, 2])) }],
  GatherElements: [{ inputs: [[2, 3]], f: (x) => g.gatherElements(x, ints(x, [2, 0], [2, 1])) }],
  LayerNormalization: [
    { spread: 3, inputs: [[3, 4], [4], [4]], f: (x, gain, bias) => g.layerNorm(x, gain, bias, 1e-5) },
    { spread: 3, inputs: [[2, 4], [4]], f: (x, gain) => layerNormParts(x, gain, undefined, 1e-5)[0]! },
  ],
  RmsNorm: [
    { inputs: [[3, 4], [4]], f: (x, gain) => g.rmsNorm(x, gain, undefined, 1e-5) },
    { inputs: [[3, 4], [4], [4]], f: (x, gain, bias) => g.rmsNorm(x, gain, bias, 1e-5) },
  ],
  Embedding: [{ inputs: [[3, 2]], f: (x) => g.embed(x, ints(x, [0, 2, 2, 0], [2, 2]), 1) }],
  RotaryEmbedding: [
    {
      inputs: [[1, 3, 8]],
      f: (x) => {
        const angles = [0, 0, 0.5, 0.1, 1, 0.2];
        const table = (f: (a: number) => number) => floats(x, angles.map(f), [3, 2]);
        return g.rotary(x, table(Math.cos), table(Math.sin), x.graph.constant([0, 1, 2], 'int64', [1, 3]), 2);
      },
    },
  ],
  CrossEntropy: [0, 0.2].map((smoothing) => ({
    inputs: [[3, 4]],
    f: (x: g.Value) => g.crossEntropy(x, ints(x, [1, 3, 0], [3, 1]), floats(x, [1, 0, 2], [3, 1]), { smoothing }),
  })),
  Attention: [
    {
      inputs: [
        [2, 3, 4],
        [2, 5, 4],
        [2, 5, 3],
      ],
      f: (q, k, v) => g.attentionCore(q, k, v, { scale: 0.5 })[0],
    },
    {
      inputs: [
        [2, 3, 4],
        [2, 3, 4],
        [2, 3, 3],
        [1, 3, 3],
      ],
      f: (q, k, v, mask) => {
        const dropout = floats(q, [2, 0, 2, 0, 2, 2, 2, 2, 0, 2, 2, 2, 0, 2, 2, 2, 0, 2], [2, 3, 3]);
        const [out, weights] = g.attentionCore(q, k, v, { scale: 0.5, mask, dropout });
        return g.concat([out, weights], 2);
      },
    },
  ],
  Silu: [{ inputs: [[5]], f: g.silu }],
  Gelu: [{ inputs: [[5]], f: g.gelu }],
  GeluTanh: [{ inputs: [[5]], f: g.geluTanh }],
};

/** Repeatable numbers in +-1. */
function numbers(count: number, seed: number): number[] {
  return Array.from({ length: count }, (_, i) => Math.sin(12.9898 * (i + 1) + 78.233 * seed) * 0.9);
}

/** Analytic gradients, and those of four-point differences of the same scalar: sum(f(inputs) * fixed weights). */
async function both({ inputs, centre = 0, spread = 1, f }: Case, overrides: Record<string, Rule> = {}) {
  const graph = new g.Graph();
  const values = inputs.map((shape, i) => graph.input(`x${i}`, 'float32', shape));
  const y = f(...values);
  const size = y.shape.reduce<number>((n, _, i) => n * y.size(i), 1);
  const target = g.sum(g.mul(y, graph.constant(numbers(size, 99), 'float32', y.shape)));
  const grads = g.gradients([target], values, { rules: overrides });
  const outputs = new Map([['target', target], ...grads.map((grad, i): [string, g.Value] => [`d${i}`, grad!])]);
  const session = await ort.InferenceSession.create(g.writeOnnx(graph, { outputs }), { intraOpNumThreads: 1 });
  const at = inputs.map((shape, i) =>
    numbers(
      shape.reduce((a, b) => a * b, 1),
      i,
    ).map((v) => v * spread + centre),
  );
  const run = (data: number[][]) =>
    session.run(
      Object.fromEntries(data.map((d, i) => [`x${i}`, new ort.Tensor('float32', Float32Array.from(d), inputs[i]!)])),
    );
  const analytic = await run(at);
  const pairs: { found: ArrayLike<number>; wanted: number[] }[] = [];
  for (const [i, data] of at.entries()) {
    const wanted: number[] = [];
    for (const j of data.keys()) {
      const value = async (step: number) => {
        const moved = at.map((d, n) => (n === i ? d.map((v, m) => (m === j ? v + step : v)) : d));
        return ((await run(moved)).target!.data as Float32Array)[0]!;
      };
      const h = 0.04;
      wanted.push(
        (8 * ((await value(h)) - (await value(-h))) - ((await value(2 * h)) - (await value(-2 * h)))) / (12 * h),
      );
    }
    pairs.push({ found: analytic[`d${i}`]!.data as Float32Array, wanted });
  }
  return pairs;
}

// The native crate's own operators run in its sessions alone: test/train/native_ops.test.ts holds them against these.
for (const op of Object.keys(rules).filter((op) => !op.startsWith('millrace.')))
  test(`${op}: its rule agrees with finite differences`, async (t) => {
    t.truthy(cases[op], 'every rule has a case');
    for (const one of cases[op] ?? [])
      for (const { found, wanted } of await both(one)) {
        const size = Math.max(1, ...wanted.map(Math.abs));
        t.true(maxError(found, wanted) < 3e-4 * size, `${op}: ${Array.from(found)} and ${wanted}`);
      }
  });

test('a wrong rule is found out', async (t) => {
  const wrong: Rule = ({ outputs }, [dy]) => [g.mul(dy!, outputs[0]!)];
  const [pair] = await both(cases.Tanh![0]!, { Tanh: wrong });
  t.true(maxError(pair!.found, pair!.wanted) > 0.1);
});

test('an op without a rule, a target that is no scalar: clear errors', (t) => {
  const graph = new g.Graph();
  const x = graph.input('x', 'float32', [2]);
  const floor = graph.apply('Floor', [x], [{ shape: [2], dtype: 'float32' }])[0]!;
  t.throws(() => g.gradients([g.sum(floor)], [x]), { message: /no gradient rule for the op Floor/ });
  t.throws(() => g.gradients([x], [x]), { message: /x \[2\] is not a scalar/ });
});

test('no gradient for what the target does not depend on, and no backward nodes for it', (t) => {
  const graph = new g.Graph();
  const [a, b] = [graph.input('a', 'float32', [2, 2]), graph.input('b', 'float32', [2, 2])];
  const target = g.sum(g.matmul(a, a));
  const before = graph.nodes.length;
  t.deepEqual(g.gradients([target], [b]), [undefined]);
  t.is(graph.nodes.length, before);
});
