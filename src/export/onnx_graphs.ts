/**
 * A model's recipe in, graphs for inference out, in the layout of transformers.js: sizes open, weights inside, ids int64,
 * and in decoders the keys and values of earlier tokens as inputs and outputs that grow by what was read.
 */
import { MillraceError } from '../errors.ts';
import {
  add,
  and,
  type Dim,
  equal,
  gather,
  greaterOrEqual,
  matmul,
  not,
  reshape,
  softmax,
  transpose,
  type Value,
  where,
} from '../graph/index.ts';
import { type Attend, attend, type Model, ProgramBuilder, type ProgramOptions, type Recipe } from '../model/index.ts';
import type { DecodeRecipe } from '../model/model.ts';

export interface OnnxGraph {
  /** Without its ending. */
  file: string;
  build(initializers: ReadonlyMap<string, Uint8Array>): Uint8Array;
}

const HIDDEN = -1e9;
/** Sizes that are known when the graph runs; the recipes hand them on. */
const open = (name: string) => name as unknown as number;
const sizes = (time: string): ProgramOptions => ({
  batchSize: open('batch_size'),
  seqLen: open(time),
  positionIds: true,
});

/** @throws `config` for heads that have no open form. */
export function onnxGraphs(model: Model): OnnxGraph[] {
  const { decode } = model.recipe;
  const graph = (file: string, b: ProgramBuilder): OnnxGraph => ({
    file,
    build: (initializers) => b.onnx({ initializers, portable: true }),
  });
  if (!decode && model.family !== 'bert') {
    throw new MillraceError('config', `there is no ONNX layout for a ${model.family} with this head`, {
      hint: 'export it as hf',
    });
  }
  if (!decode) return [graph('model', encoderGraph(model.recipe))];
  if (!decode.encoder)
    return [graph('model', decoderGraph(decode, model.config as { max_position_embeddings?: number }))];
  return [graph('encoder_model', sourceGraph(decode)), graph('decoder_model_merged', targetGraph(decode))];
}

/** BERT: ids, mask and types in; logits and the last layer out. */
function encoderGraph(recipe: Recipe): ProgramBuilder {
  const b = new ProgramBuilder();
  const ids = b.input('input_ids', 'int64', ['batch_size', 'sequence_length']);
  b.input('attention_mask', 'int64', ids.shape);
  b.input('token_type_ids', 'int64', ids.shape);
  b.provide('position_ids', range(undefined, sizeOf(ids, 1), 'sequence_length'));
  recipe.logits(b, { ...sizes('sequence_length'), attentionMask: true, hidden: true });
  b.rename('encoder', 'last_hidden_state');
  return b;
}

/** A language model: `logits` [batch, time, vocabulary] and the caches. */
function decoderGraph(
  recipe: DecodeRecipe,
  { max_position_embeddings: places }: { max_position_embeddings?: number },
): ProgramBuilder {
  const b = new ProgramBuilder();
  const ids = b.input('input_ids', 'int64', ['batch_size', 'sequence_length']);
  const mask = b.input('attention_mask', 'int64', ['batch_size', 'total_sequence_length']);
  b.input('position_ids', 'int64', ids.shape);
  const cache = new GrowingCache(b, {
    layers: cacheSizes(recipe).layers,
    name: (layer, kind) => `${layer}.${kind}`,
    mask,
  });
  const options = { ...sizes('sequence_length'), cache: { own: cache.own, cross: attend }, ...(places && { places }) };
  const hidden = recipe.decoder(b, ids, options);
  b.output('logits', recipe.head(b, hidden));
  cache.finish();
  return b;
}

/** The encoder of an encoder-decoder. */
function sourceGraph(recipe: DecodeRecipe): ProgramBuilder {
  const b = new ProgramBuilder();
  const ids = b.input('input_ids', 'int64', ['batch_size', 'encoder_sequence_length']);
  const mask = paddingOf(b.input('attention_mask', 'int64', ids.shape));
  b.provide('position_ids', range(undefined, sizeOf(ids, 1), 'encoder_sequence_length'));
  b.output('last_hidden_state', recipe.encoder!(b, ids, mask, sizes('encoder_sequence_length')));
  return b;
}

/**
 * The decoder of an encoder-decoder, for first and later tokens alike: `past_key_values.N.decoder.*` are empty at first.
 * The encoder's keys and values are computed from `encoder_hidden_states` at each run.
 */
function targetGraph(recipe: DecodeRecipe): ProgramBuilder {
  const b = new ProgramBuilder();
  const { layers, width } = cacheSizes(recipe);
  const time = 'decoder_sequence_length';
  const ids = b.input('input_ids', 'int64', ['batch_size', time]);
  const mask = paddingOf(b.input('encoder_attention_mask', 'int64', ['batch_size', 'encoder_sequence_length']));
  const memory = b.input('encoder_hidden_states', 'float32', ['batch_size', 'encoder_sequence_length', width]);
  const cache = new GrowingCache(b, { layers, name: (layer, kind) => `${layer}.decoder.${kind}` });
  b.provide('position_ids', cache.positions(ids));
  const hidden = recipe.decoder(b, ids, { ...sizes(time), cache: { own: cache.own, cross: attend } }, { memory, mask });
  b.output('logits', recipe.head(b, hidden));
  cache.finish();
  return b;
}

interface LayerSize {
  kvHeads: number;
  size: number;
}

/** What each layer of the decoder keeps of a token, and how wide the encoder's result is: the recipe run on one token. */
function cacheSizes(recipe: DecodeRecipe): { layers: LayerSize[]; width: number } {
  const b = new ProgramBuilder();
  const layers: LayerSize[] = [];
  const ids = b.input('input_ids', 'int32', [1, 1]);
  const options = { batchSize: 1, seqLen: 1 };
  const mask = paddingOf(ids);
  const memory = recipe.encoder?.(b, ids, mask, options);
  const own: Attend = (q, k, v, settings) => {
    const { heads: count, kvHeads = count } = settings;
    layers.push({ kvHeads, size: k.size(-1) / kvHeads });
    return attend(q, k, v, settings);
  };
  recipe.decoder(b, ids, { ...options, cache: { own, cross: attend } }, memory && { memory, mask });
  return { layers, width: memory?.size(-1) ?? 0 };
}

interface GrowingOptions {
  layers: LayerSize[];
  /** The part of an input's or output's name after `past_key_values.` or `present.`. */
  name(layer: number, kind: string): string;
  /** int64 [batch, past and present]; 0 at padding. */
  mask?: Value;
}

/** Attention whose keys and values are what an input holds, and then what is read now. */
class GrowingCache {
  private readonly b: ProgramBuilder;
  private readonly options: GrowingOptions;
  private readonly past: Value[][];
  private readonly present: [name: string, value: Value][] = [];
  private hidden: Value | undefined;

  constructor(b: ProgramBuilder, options: GrowingOptions) {
    this.b = b;
    this.options = options;
    this.past = options.layers.map(({ kvHeads, size }, layer) =>
      ['key', 'value'].map((kind) =>
        b.input(`past_key_values.${options.name(layer, kind)}`, 'float32', [
          'batch_size',
          kvHeads,
          'past_sequence_length',
          size,
        ]),
      ),
    );
  }

  /** Places of the ids, counted on from the cache: int64 [time]. */
  positions(ids: Value): Value {
    const before = sizeOf(this.past[0]![0]!, 2);
    return range(before, add(before, sizeOf(ids, 1)), ids.shape[1]!);
  }

  readonly own: Attend = (q, k, v, { heads: count, kvHeads = count, scale }) => {
    const size = q.size(-1) / count;
    const [batch, time] = [q.shape[0]!, q.shape[1]!];
    const layer = this.present.length / 2;
    const all = 'total_sequence_length';
    const [keys, values] = [k, v].map((value, i) => {
      const before = this.past[layer]![i]!;
      const output = { shape: [batch, kvHeads, all, size], dtype: 'float32' as const };
      const axis = { axis: { int: 2 } };
      const after = this.b.graph.apply('Concat', [before, heads(value, kvHeads)], [output], axis)[0]!;
      this.present.push([`present.${this.options.name(layer, i === 0 ? 'key' : 'value')}`, after]);
      return reshape(after, [batch, kvHeads, 1, all, size]);
    });
    this.hidden ??= this.mask(q, this.present[0]![1]);
    const apart = reshape(q, [batch, time, kvHeads, count / kvHeads, size]);
    const queries = transpose(apart, [0, 2, 3, 1, 4]);
    const scores = matmul(queries, keys!, { transB: true, alpha: scale ?? 1 / Math.sqrt(size) });
    const weights = softmax(add(scores, this.hidden));
    const mixed = transpose(matmul(weights, values!), [0, 3, 1, 2, 4]);
    return { out: reshape(mixed, [batch, time, count * size]), weights };
  };

  finish(): void {
    for (const [name, value] of this.present) this.b.output(name, value);
  }

  /** 0 where a query may look, very negative elsewhere: [batch or 1, 1, 1, queries, keys]. */
  private mask(q: Value, keys: Value): Value {
    const [time, all] = [q.shape[1]!, keys.shape[2]!];
    const [before, total] = [sizeOf(this.past[0]![0]!, 2), sizeOf(keys, 2)];
    const column = reshape(range(before, total, time), [1, 1, 1, time, 1]);
    const row = reshape(range(undefined, total, all), [1, 1, 1, 1, all]);
    const seen = greaterOrEqual(column, row);
    const { mask } = this.options;
    const shown = mask && reshape(not(equal(mask, 0)), ['batch_size', 1, 1, 1, all]);
    const { graph } = this.b;
    return where(shown ? and(seen, shown) : seen, graph.constant(0), graph.constant(HIDDEN));
  }
}

/** The size of an axis as an int64 scalar. */
function sizeOf(x: Value, axis: number): Value {
  const shape = x.graph.apply('Shape', [x], [{ shape: [x.rank], dtype: 'int64' }])[0]!;
  return gather(shape, x.graph.constant(axis, 'int64'));
}

/** start, start + 1, .. end - 1 (from 0 by default): int64 [length]. */
function range(start: Value | undefined, end: Value, length: Dim): Value {
  const { graph } = end;
  const from = start ?? graph.constant(0, 'int64');
  return graph.apply('Range', [from, end, graph.constant(1, 'int64')], [{ shape: [length], dtype: 'int64' }])[0]!;
}

/** [batch, time, heads * size] -> [batch, heads, time, size]. */
function heads(x: Value, count: number): Value {
  const [batch, time] = x.shape as [Dim, Dim];
  return transpose(reshape(x, [batch, time, count, x.size(-1) / count]), [0, 2, 1, 3]);
}

/** 1 for what may be seen [batch, keys] -> float [batch, 1, 1, keys]. */
function paddingOf(mask: Value): Value {
  const [batch, keys] = mask.shape as [Dim, Dim];
  const { graph } = mask;
  return reshape(where(equal(mask, 0), graph.constant(HIDDEN), graph.constant(0)), [batch, 1, 1, keys]);
}
