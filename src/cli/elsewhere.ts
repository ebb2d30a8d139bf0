/** An engine's URL in, what a pipeline's stages can do there out. Its session starts with the first stage that needs it. */
import type { Engine } from '../engine/engine.ts';
import { MillraceError } from '../errors.ts';
import type { Elsewhere } from '../pipeline/stage.ts';
import type { Call } from './command.ts';

export function openElsewhere(
  url: string,
  settings: string[],
  { output, watch }: Call,
): Elsewhere & { close(): Promise<void> } {
  const conf = Object.fromEntries(
    settings.map((setting) => {
      const at = setting.indexOf('=');
      if (at > 0) return [setting.slice(0, at), setting.slice(at + 1)];
      throw new MillraceError('usage', `--engine-conf ${setting}: not key=value`);
    }),
  );
  let opened: Promise<Engine> | undefined;
  const engine = () => {
    opened ??= import('../engine/engine.ts').then(async ({ Engine }) => {
      const { signal } = watch;
      const started = await Engine.open({ url, conf, signal, onLog: (line) => output.detail(line) });
      output.event({ type: 'engine-start', engine: url, seconds: started.startSeconds });
      output.note(
        `  ${url}: version ${started.version}, ${started.cores} cores, ready after ${started.startSeconds.toFixed(1)} s`,
      );
      return started;
    });
    return opened;
  };
  const onJob = ({ job, seconds }: { job: string; seconds: number }) => {
    output.event({ type: 'engine-job', job, seconds });
    if (!output.json) output.note(`  ${job}: ${seconds.toFixed(1)} s`);
  };
  return {
    async trainVocab(options) {
      const { trainVocabOn } = await import('../engine/vocab.ts');
      return trainVocabOn(await engine(), { ...options, onJob });
    },
    async buildDataset(options) {
      const { buildDatasetOn } = await import('../engine/dataset.ts');
      return buildDatasetOn(await engine(), { ...options, onJob });
    },
    async list(patterns) {
      const { resolveOn } = await import('../engine/corpus.ts');
      return (await resolveOn(await engine(), { files: patterns, format: 'file' })).listed ?? [];
    },
    async close() {
      const running = await opened?.catch(() => undefined);
      await running?.close();
    },
  };
}
