/**
 * The graphs that generate: a recipe goes in, one graph that reads prompts and single tokens alike comes out, and for
 * encoder-decoders the encoder's. Keys and values of what was read lie in buffers that the graph extends in place, so
 * nothing grows and nothing is copied from token to token. native/src/runtime/decoder.rs runs them.
 */
import { cast, type Dim, reshape, slice, type Value } from '../graph/index.ts';
import { type Attend, type Attended, attend, paddingMask } from './attention.ts';
import { ProgramBuilder } from './builder.ts';
import type { LoraConfig } from './lora.ts';
import type { DecodeRecipe, ProgramOptions } from './model.ts';

export interface DecodeOptions {
  /** Places a row: prompt and continuation together. */
  capacity: number;
  /** Places of the source side; as many by default. */
  sourcePlaces?: number;
  lora?: LoraConfig | undefined;
}

export interface DecodeProgram {
  step: Uint8Array;
  encoder?: Uint8Array;
  /** Buffers [rows, heads, capacity, size], by their names as an input and as an output. */
  caches: { past: string; present: string; heads: number; size: number }[];
  /** What the encoder puts out and each step takes: [rows, source, width]. */
  sources: { name: string; width: number }[];
  vocabulary: number;
  capacity: number;
}

/** Sizes that are known when the graph runs. The recipes hand them on and never count with them. */
const open = (name: string) => name as unknown as number;

/**
 * Inputs of the step, int32: `input_ids` and `position_ids` [batch, time], `last_place` [batch], `total_length` [1],
 * `last_index` [batch], and `source_mask` [batch, source] with an encoder, whose inputs are `input_ids`, `position_ids`
 * and `source_mask` [batch, source]. Out: `logits` [batch, vocabulary] at `last_index`.
 */
export function decodeProgram(recipe: DecodeRecipe, options: DecodeOptions): DecodeProgram {
  const { capacity, sourcePlaces = capacity, lora } = options;
  const b = new ProgramBuilder({ lora });
  const ids = b.input('input_ids', 'int32', ['batch', 'time']);
  const caches: DecodeProgram['caches'] = [];
  const source = recipe.encoder && encode(recipe, sourcePlaces, lora);
  let layer = 0;
  const cross: Attend = (q, _k, _v, heads) => {
    const [k, v] = ['key', 'value'].map((kind) => {
      const { name, width } = source!.sources.find((s) => s.name === `source.${kind}.${layer}`)!;
      return b.graph.input(name, 'float32', ['batch', 'source', width]);
    });
    layer += 1;
    return attend(q, k!, v!, heads);
  };
  const hidden = recipe.decoder(
    b,
    ids,
    { ...sizes('time'), places: capacity, cache: { own: cached(b, capacity, caches), cross } },
    source && {
      memory: b.graph.input('memory', 'float32', ['batch', 'source', source.width]),
      mask: paddingMask(b.input('source_mask', 'int32', ['batch', 'source'])),
    },
  );
  b.output('logits', recipe.head(b, pickRows(b, hidden)));
  return {
    step: b.onnx(),
    ...(source && { encoder: source.onnx }),
    caches,
    sources: source?.sources ?? [],
    vocabulary: recipe.vocabulary,
    capacity,
  };
}

const sizes = (time: string): ProgramOptions => ({ batchSize: open('batch'), seqLen: open(time), positionIds: true });

/** Causal attention over a cache: com.microsoft.GroupQueryAttention with the same buffers before and after. */
function cached(b: ProgramBuilder, capacity: number, caches: DecodeProgram['caches']): Attend {
  return (q, k, v, { heads, kvHeads = heads, scale }) => {
    const size = q.size(-1) / heads;
    const padded = Math.ceil(size / 8) * 8; // The kernel takes multiples of 8; zeros change no product.
    const widen = (x: Value, parts: number) => (padded === size ? x : padHeads(x, parts, padded));
    const layer = caches.length / 2;
    const buffer = (kind: string) =>
      b.graph.input(`past.${layer}.${kind}`, 'float32', ['batch', kvHeads, capacity, padded]);
    const past = [buffer('key'), buffer('value')];
    const [out, ...present] = b.graph.apply(
      'GroupQueryAttention',
      [
        widen(q, heads),
        widen(k, kvHeads),
        widen(v, kvHeads),
        ...past,
        b.input('last_place', 'int32', ['batch']),
        b.input('total_length', 'int32', [1]),
      ],
      [
        { shape: [q.shape[0]!, q.shape[1]!, heads * padded], dtype: 'float32' },
        ...past.map(({ shape }) => ({ shape, dtype: 'float32' as const })),
      ],
      {
        num_heads: { int: heads },
        kv_num_heads: { int: kvHeads },
        scale: { float: scale ?? 1 / Math.sqrt(size) },
      },
    );
    past.forEach((value, i) => {
      const after = present[i]!;
      b.output(after.name, after);
      caches.push({ past: value.name, present: after.name, heads: kvHeads, size: padded });
    });
    return unweighted(padded === size ? out! : narrowHeads(out!, heads, size));
  };
}

/** [batch, time, heads * size] -> [batch, time, heads * padded], zeros behind each head. */
function padHeads(x: Value, heads: number, padded: number): Value {
  const [batch, time] = x.shape as [Dim, Dim];
  const size = x.size(-1) / heads;
  const apart = reshape(x, [batch, time, heads, size]);
  const pads = x.graph.constant([0, 0, 0, 0, 0, 0, 0, padded - size], 'int64');
  const wide = x.graph.apply('Pad', [apart, pads], [{ shape: [batch, time, heads, padded], dtype: x.dtype }])[0]!;
  return reshape(wide, [batch, time, heads * padded]);
}

function narrowHeads(x: Value, heads: number, size: number): Value {
  const [batch, time] = x.shape as [Dim, Dim];
  const apart = reshape(x, [batch, time, heads, x.size(-1) / heads]);
  return reshape(slice(apart, -1, 0, size), [batch, time, heads * size]);
}

/** The encoder and, for each layer of the decoder, the keys and values that it will look at. */
function encode(recipe: DecodeRecipe, places: number, lora: LoraConfig | undefined) {
  const b = new ProgramBuilder({ lora });
  const sources: DecodeProgram['sources'] = [];
  const ids = b.input('input_ids', 'int32', ['batch', 'source']);
  const mask = paddingMask(b.input('source_mask', 'int32', ['batch', 'source']));
  const options = { ...sizes('source'), places };
  const memory = recipe.encoder!(b, ids, mask, options);
  // The decoder is built for its keys and values alone: what no output needs is left out of the graph.
  const cross: Attend = (q, k, v) => {
    const layer = sources.length / 2;
    for (const [kind, value] of Object.entries({ key: k, value: v })) {
      const name = `source.${kind}.${layer}`;
      b.output(name, value);
      sources.push({ name, width: value.size(-1) });
    }
    return unweighted(q);
  };
  recipe.decoder(b, ids, { ...options, cache: { own: unweighted, cross } }, { memory, mask });
  return { onnx: b.onnx(), sources, width: memory.size(-1) };
}

/** A cache keeps no weights: what stands for them must not be put out, and `attentions` is never asked for here. */
const unweighted = (out: Value): Attended => ({ out, weights: out });

/** hidden [batch, time, width] -> [batch, width] at the input `last_index`. */
function pickRows(b: ProgramBuilder, hidden: Value): Value {
  const index = reshape(b.input('last_index', 'int32', ['batch']), ['batch', 1]);
  const output = { shape: [hidden.shape[0]!, hidden.shape[2]!], dtype: hidden.dtype };
  return b.graph.apply('GatherND', [hidden, cast(index, 'int64')], [output], { batch_dims: { int: 1 } })[0]!;
}
