/**
 * Encoded sources in, the best continuations out: beam search by the rules of Hugging Face's `generate`. A hypothesis is
 * scored by its log-probability over (its length ^ lengthPenalty); the end token counts in both.
 */
import { MillraceError } from '../errors.ts';
import type { Decoder } from './decoder.ts';

export interface BeamOptions {
  /** Started: with `encode(sources, beams)`, or with `start(rows * beams)`. */
  decoder: Decoder;
  /** First tokens, one row a source. */
  prompts: ArrayLike<number>[];
  beams: number;
  maxNewTokens: number;
  end: number[];
  /** Above 1 favours long ones, below 1 short ones. Default 1. */
  lengthPenalty?: number | undefined;
  /** Stop a source as soon as it has `beams` ended hypotheses, even where a running one could still beat them. */
  earlyStopping?: boolean | undefined;
  /** Tokens never chosen. */
  suppress?: number[] | undefined;
  signal?: AbortSignal | undefined;
}

export interface Hypothesis {
  /** After the prompt, the end token included. */
  tokens: number[];
  /** Log-probability over length ^ lengthPenalty. */
  score: number;
}

interface Running {
  tokens: number[];
  logProb: number;
  /** Row of the decoder that has read it. */
  row: number;
}

/** The ended hypotheses of each source, best first; the running ones where none has ended in time. */
export async function beamSearch(options: BeamOptions): Promise<Hypothesis[][]> {
  const { decoder, prompts, beams, maxNewTokens, end, lengthPenalty = 1, suppress = [] } = options;
  if (!Number.isInteger(beams) || beams < 1) throw new MillraceError('config', `beams ${beams}: take 1 or more`);
  const score = (logProb: number, length: number) => logProb / length ** lengthPenalty;
  await decoder.read(prompts.flatMap((prompt) => Array<ArrayLike<number>>(beams).fill(prompt)));
  // All beams of a source are the same at first: only one counts.
  let running: Running[][] = prompts.map((_, source) =>
    Array.from({ length: beams }, (_, beam) => ({
      tokens: [],
      logProb: beam === 0 ? 0 : Number.NEGATIVE_INFINITY,
      row: source * beams + beam,
    })),
  );
  const ended: Hypothesis[][] = prompts.map(() => []);
  const done = prompts.map(() => false);
  for (let step = 1; step <= maxNewTokens; step++) {
    if (options.signal?.aborted) throw new MillraceError('cancelled', 'the beam search was cancelled');
    const width = 2 * beams;
    const { ids, logProbs } = decoder.top(width, suppress);
    const per = ids.length / (prompts.length * beams);
    running = running.map((hypotheses, source) => {
      if (done[source]) return hypotheses;
      const candidates = hypotheses
        .flatMap(({ tokens, logProb, row }) =>
          Array.from({ length: per }, (_, i) => ({
            tokens,
            row,
            token: ids[row * per + i]!,
            logProb: logProb + logProbs[row * per + i]!,
          })),
        )
        .sort((a, b) => b.logProb - a.logProb)
        .slice(0, width);
      const going: Running[] = [];
      candidates.forEach(({ tokens, token, logProb, row }, rank) => {
        if (!Number.isFinite(logProb)) return;
        const longer = [...tokens, token];
        if (!end.includes(token)) {
          if (going.length < beams) going.push({ tokens: longer, logProb, row });
        } else if (rank < beams) ended[source]!.push({ tokens: longer, score: score(logProb, step) });
      });
      const best = ended[source]!.sort((a, b) => b.score - a.score).slice(0, beams);
      ended[source] = best;
      const reachable = going[0] ? score(going[0].logProb, step) : Number.NEGATIVE_INFINITY;
      done[source] = best.length === beams && (options.earlyStopping === true || best.at(-1)!.score >= reachable);
      if (going.length === 0) done[source] = true;
      // A source that has fewer tokens to go on with than beams keeps its rows busy with its first one, out of the race.
      while (going.length < beams) going.push({ ...(going[0] ?? hypotheses[0]!), logProb: Number.NEGATIVE_INFINITY });
      return going;
    });
    if (done.every(Boolean) || step === maxNewTokens || prompts[0]!.length + step >= decoder.capacity) break;
    const rows = running.flat();
    decoder.reorder(rows.map(({ row }) => row));
    await decoder.read(rows.map(({ tokens }) => [tokens.at(-1) ?? 0]));
    running = running.map((hypotheses, source) =>
      hypotheses.map((hypothesis, beam) => ({ ...hypothesis, row: source * beams + beam })),
    );
  }
  return ended.map((hypotheses, source) => {
    const unended = done[source] ? [] : running[source]!;
    const all = unended
      .filter(({ logProb }) => Number.isFinite(logProb))
      .map(({ tokens, logProb }) => ({ tokens, score: score(logProb, tokens.length) }));
    return [...hypotheses, ...all].sort((a, b) => b.score - a.score).slice(0, beams);
  });
}
