/** A corpus in, a vocabulary out, as `trainVocab` makes it: words are counted and added up by an engine, merged here. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { planVocab, type TrainedVocab, type TrainVocabOptions, trainVocab } from '../tokenizer/train.ts';
import { resolveOn } from './corpus.ts';
import type { Timed } from './dataset.ts';
import type { Engine } from './engine.ts';
import { planCountStages } from './plan.ts';

/** Options as of `trainVocab`; `partitionBytes` (32 MiB) go to one task. */
export async function trainVocabOn(
  engine: Engine,
  options: TrainVocabOptions & Timed & { partitionBytes?: number | undefined },
): Promise<TrainedVocab> {
  const { split, normalizer, specialTokens } = planVocab(options);
  const { files, format, field, texts: _, partitionBytes, ...rest } = options;
  const how = { split, normalizer, specialTokens, ...(partitionBytes === undefined ? {} : { partitionBytes }) };
  const { listed } = await resolveOn(engine, { files: files ?? [], format, field });
  const plans = await planCountStages({ files, format, field }, how, listed);
  const work = await mkdtemp(join(tmpdir(), 'millrace-engine-'));
  try {
    const counts: string[] = [];
    for (const [i, { text, portions }] of plans.entries()) {
      const [plan, out] = [join(work, `plan-${i}.json`), join(work, `counts-${i}.arrows`)];
      await writeFile(plan, text);
      const made = `split=${split.replaceAll('\n', '\\n')} normalizer=${normalizer}`;
      const { seconds } = await engine.run({ job: 'count', plan, portions, out, made });
      options.onJob?.({ job: 'count', seconds });
      counts.push(out);
    }
    const trained = await trainVocab({ ...rest, counts });
    options.onJob?.({ job: 'merge', seconds: trained.seconds });
    const bytes = plans.flatMap(({ plan }) => plan.sources).reduce((sum, source) => sum + source.bytes, 0);
    return { ...trained, bytes };
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}
