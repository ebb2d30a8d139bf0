/** Encoder-decoder models: an encoder, a decoder and a head go in, the recipe of their losses and logits comes out. */
import { add, type Value } from '../graph/index.ts';
import { causalMask, paddingMask } from './attention.ts';
import type { ProgramBuilder } from './builder.ts';
import { languageModelLoss } from './causal.ts';
import { pick } from './inputs.ts';
import { type Model, makeModel, type ProgramOptions } from './model.ts';

export interface Seq2seqParts {
  vocabulary: number;
  /** Source ids [batch, source] -> [batch, source, width]. `mask` as in attention.ts. */
  encoder(b: ProgramBuilder, ids: Value, mask: Value | undefined, options: ProgramOptions): Value;
  /** Target ids [batch, time] and the encoder's result -> [batch, time, width]. */
  decoder(b: ProgramBuilder, ids: Value, source: Encoded, mask: Value | undefined, options: ProgramOptions): Value;
  /** [.., width] -> [.., vocabulary]. */
  head(b: ProgramBuilder, hidden: Value): Value;
}

export interface Encoded {
  memory: Value;
  mask: Value | undefined;
}

/**
 * Inputs, all int32: `input_ids` and `attention_mask` [batch, source], `decoder_input_ids` and `decoder_attention_mask`
 * [batch, time], `labels` [batch, time] (what each decoder place should say; -100 at padding). The decoder sees the right
 * answer's earlier tokens: teacher forcing.
 */
export function seq2seqModel<C extends { family: string }>(config: C, parts: Seq2seqParts): Model<C> {
  const { vocabulary, encoder, decoder, head } = parts;
  function hidden(b: ProgramBuilder, options: ProgramOptions): Value {
    const { batchSize, seqLen, sourceLen = seqLen, attentionMask = true } = options;
    const padded = (name: string, time: number) =>
      attentionMask ? paddingMask(b.input(name, 'int32', [batchSize, time])) : undefined;
    const source = b.input('input_ids', 'int32', [batchSize, sourceLen]);
    const sourceMask = padded('attention_mask', sourceLen);
    const memory = encoder(b, source, sourceMask, options);
    if (options.hidden) b.output('encoder', memory);
    const target = b.input('decoder_input_ids', 'int32', [batchSize, seqLen]);
    const targetMask = padded('decoder_attention_mask', seqLen);
    const causal = causalMask(b.graph, seqLen);
    const mask = targetMask ? add(causal, targetMask) : causal;
    return decoder(b, target, { memory, mask: sourceMask }, mask, options);
  }
  return makeModel(config, {
    decode: {
      vocabulary,
      encoder,
      decoder: (b, ids, options, source) => decoder(b, ids, source!, undefined, options),
      head,
    },
    loss: (b, options) => languageModelLoss(b, head(b, hidden(b, options)), 'labels', options),
    logits(b, options) {
      const all = hidden(b, options);
      b.output(
        'logits',
        head(b, options.at === 'last' ? pick(all, b.input('last_index', 'int32', [options.batchSize])) : all),
      );
    },
  });
}
