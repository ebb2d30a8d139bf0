/** Scaled dot-product attention over many heads: queries, keys and values go in, one mixed value a query comes out. */
import {
  attentionCore,
  concat,
  type Dim,
  equal,
  fitsAttention,
  fusedAttention,
  type Graph,
  reshape,
  type Shape,
  transpose,
  type Value,
  where,
} from '../graph/index.ts';

/** Added to a score that must not count: e^-1e9 is 0, and a row with nothing to see stays finite. */
const HIDDEN = -1e9;

export interface HeadsOptions {
  heads: number;
  /** Key and value heads, each shared by heads / kvHeads query heads (Ainslie et al. 2023). */
  kvHeads?: number;
  /** Added to the scores: float [1 or batch, 1, queries or 1, keys], 0 where a query may look and very negative elsewhere. */
  mask?: Value | undefined;
  /** Factor on q k^T; 1 / sqrt(head size) by default (Vaswani et al. 2017, eq. 1). */
  scale?: number;
  /** The dropout mask for attention weights of a shape, where there is to be one. */
  dropout?: (shape: Shape) => Value | undefined;
  /** Takes the place of what `attend` does: how decoding reads keys and values from a cache (see decode.ts). */
  through?: Attend | undefined;
}

export type Attend = (q: Value, k: Value, v: Value, options: HeadsOptions) => Attended;

export interface Attended {
  /** [batch, queries, heads * head size]. */
  out: Value;
  /** Attention weights [batch, kvHeads, heads / kvHeads * queries, keys]; [batch, heads, queries, keys] without sharing. */
  weights: Value;
}

/** q [batch, queries, heads * size], k and v [batch, keys, kvHeads * size]. */
export function attend(q: Value, k: Value, v: Value, { through, ...options }: HeadsOptions): Attended {
  if (through) return through(q, k, v, options);
  const { heads, kvHeads = heads, mask, dropout } = options;
  const scale = options.scale ?? 1 / Math.sqrt(q.size(-1) / heads);
  const fused = q.graph.native && !q.graph.rounded && fitsAttention(q, k, v, { mask });
  if (!fused) return attendInSteps(q, k, v, { ...options, scale });
  const shape = [q.shape[0]!, kvHeads, (heads / kvHeads) * q.size(1), k.shape[1]!];
  const out = fusedAttention(q, k, v, { heads, kvHeads, scale, mask, dropout: dropout?.(shape) });
  // Nodes for the weights are written only where somebody asks for them.
  return { out, weights: attendInSteps(q, k, v, { heads, kvHeads, scale, mask }).weights };
}

/** The same as products and softmax: for runtimes other than ours. */
function attendInSteps(q: Value, k: Value, v: Value, options: HeadsOptions & { scale: number }): Attended {
  const { heads, kvHeads = heads, mask, dropout, scale } = options;
  const group = heads / kvHeads;
  const [batch, queries] = [q.shape[0]!, q.shape[1]!];
  const [kh, vh] = [split(k, kvHeads), split(v, kvHeads)];
  const grouped = splitGrouped(q, kvHeads, group);
  const shape = [...grouped.shape.slice(0, -1), kh.shape.at(-2)!];
  const [mixed, weights] = attentionCore(grouped, kh, vh, {
    scale,
    mask: mask && group > 1 ? tileQueries(mask, group) : mask,
    dropout: dropout?.(shape),
  });
  const width = heads * vh.size(-1);
  if (group === 1) return { out: reshape(transpose(mixed, [0, 2, 1, 3]), [batch, queries, width]), weights };
  const apart = reshape(mixed, [batch, kvHeads, group, queries, vh.size(-1)]);
  return { out: reshape(transpose(apart, [0, 3, 1, 2, 4]), [batch, queries, width]), weights };
}

/** [batch, time, heads * size] -> [batch, heads, time, size]. */
function split(x: Value, heads: number): Value {
  const [batch, time] = [x.shape[0]!, x.shape[1]!];
  return transpose(reshape(x, [batch, time, heads, x.size(-1) / heads]), [0, 2, 1, 3]);
}

/** As `split`, with the queries of the heads that share keys one after the other: [batch, kvHeads, group * time, size]. */
function splitGrouped(q: Value, kvHeads: number, group: number): Value {
  if (group === 1) return split(q, kvHeads);
  const [batch, time] = [q.shape[0]!, q.shape[1]!];
  const size = q.size(-1) / kvHeads / group;
  const apart = transpose(reshape(q, [batch, time, kvHeads, group, size]), [0, 2, 3, 1, 4]);
  return reshape(apart, [batch, kvHeads, typeof time === 'number' ? group * time : `${group}*${time}`, size]);
}

function tileQueries(mask: Value, group: number): Value {
  return mask.shape[2] === 1 ? mask : concat(Array<Value>(group).fill(mask), 2);
}

/** A mask [1, 1, time, time] that shows each position itself and what is before it. */
export function causalMask(graph: Graph, time: number): Value {
  const values = Float32Array.from({ length: time * time }, (_, i) => (i % time > Math.floor(i / time) ? HIDDEN : 0));
  return graph.constant(values, 'float32', [1, 1, time, time]);
}

/** `attention_mask` int32 [batch, keys], 1 for what may be seen -> [batch, 1, 1, keys]. */
export function paddingMask(attentionMask: Value): Value {
  const [batch, keys] = attentionMask.shape as [Dim, Dim];
  return reshape(hide(equal(attentionMask, 0), HIDDEN, 0), [batch, 1, 1, keys]);
}

/** `segmentIds` int32 [batch, time]: only positions of the same document see each other -> [batch, 1, time, time]. */
export function documentMask(segmentIds: Value): Value {
  const [batch, time] = segmentIds.shape as [Dim, Dim];
  return hide(equal(reshape(segmentIds, [batch, 1, time, 1]), reshape(segmentIds, [batch, 1, 1, time])), 0, HIDDEN);
}

const hide = (condition: Value, yes: number, no: number) =>
  where(condition, condition.graph.constant(yes), condition.graph.constant(no));
