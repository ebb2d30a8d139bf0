/** Pairs of token rows in, batches of an encoder-decoder out, for training with teacher forcing. */
import { type Collated, masks, matrix, padded } from './rows.ts';

/** Both sides end with the end token. */
export interface Pair {
  source: ArrayLike<number>;
  target: ArrayLike<number>;
}

export interface PairTokens {
  /** First token of the decoder. */
  start: number;
  pad: number;
  /** Tokens that a row of either side may have. */
  limit?: number;
}

export const pairLengths = ({ source, target }: Pair) => [source.length, target.length];

/** The decoder reads the start token and the target without its last token, and is to say the target. */
export function collatePairs({ start, pad, limit }: PairTokens): (pairs: Pair[]) => Collated {
  return (pairs) => {
    const [sources, targets] = [pairs.map(({ source }) => source), pairs.map(({ target }) => target)];
    const shifted = targets.map((target) => [start, ...Array.from(target).slice(0, -1)]);
    const sourceLen = padded(
      sources.map(({ length }) => length),
      limit,
    );
    const seqLen = padded(
      targets.map(({ length }) => length),
      limit,
    );
    return {
      shape: { batchSize: pairs.length, seqLen, sourceLen },
      feeds: {
        input_ids: matrix(sources, sourceLen, pad),
        attention_mask: masks(sources, sourceLen),
        decoder_input_ids: matrix(shifted, seqLen, pad),
        decoder_attention_mask: masks(targets, seqLen),
        labels: matrix(targets, seqLen, -100),
      },
    };
  };
}
