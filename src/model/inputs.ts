/** The inputs that decoders share: program options go in, positions, masks and the choice of positions come out. */
import { add, cast, gather, rows, type Value } from '../graph/index.ts';
import { causalMask, documentMask, paddingMask } from './attention.ts';
import type { ProgramBuilder } from './builder.ts';
import type { ProgramOptions } from './model.ts';

/** Positions int64 [batch, time]: the input `position_ids`, or 0, 1, 2 .. in every row. */
export function positions(b: ProgramBuilder, { batchSize, seqLen, positionIds }: ProgramOptions): Value {
  if (positionIds) return cast(b.input('position_ids', 'int32', [batchSize, seqLen]), 'int64');
  const counting = Array.from({ length: batchSize * seqLen }, (_, i) => i % seqLen);
  return b.graph.constant(counting, 'int64', [batchSize, seqLen]);
}

/** What a position may look at: what is before it, minus padding, minus other documents, as the options say. */
export function causalMasks(b: ProgramBuilder, options: ProgramOptions): Value | undefined {
  if (options.cache) return undefined;
  const { batchSize, seqLen } = options;
  const masks = [causalMask(b.graph, seqLen)];
  if (options.attentionMask) masks.push(paddingMask(b.input('attention_mask', 'int32', [batchSize, seqLen])));
  if (options.segmentIds) masks.push(documentMask(b.input('segment_ids', 'int32', [batchSize, seqLen])));
  return masks.reduce(add);
}

/** One position a row: hidden [batch, time, width], index int32 [batch] -> [batch, width]. */
export function pick(hidden: Value, index: Value): Value {
  const [batch, time] = [hidden.size(0), hidden.size(1)];
  const starts = Array.from({ length: batch }, (_, i) => i * time);
  return gather(rows(hidden), add(index, hidden.graph.constant(starts, 'int32')));
}
